// SPDX-License-Identifier: MIT
// Prints the SHA-256 of what is at a URL.
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.security.MessageDigest;
import java.util.HexFormat;

class Fetch {
    public static void main(String[] arguments) throws Exception {
        final var request = HttpRequest.newBuilder(URI.create(arguments[0])).build();
        final var response = HttpClient.newHttpClient().send(request, HttpResponse.BodyHandlers.ofByteArray());
        if (response.statusCode() != 200)
            throw new Exception("status " + response.statusCode());
        System.out.println(HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(response.body())));
    }
}
