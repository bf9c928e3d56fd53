// SPDX-License-Identifier: MIT
// java Echo.java PORT: a server that gives back what it gets, with one thread and a Selector.
// java Echo.java HOST PORT: sends a megabyte by a Socket and by a SocketChannel, and compares what comes back.
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.ByteBuffer;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.util.Arrays;
import java.util.Random;

class Echo {
    public static void main(String[] arguments) throws Exception {
        if (arguments.length == 1) {
            serve(Integer.parseInt(arguments[0]));
            return;
        }
        final var server = new InetSocketAddress(arguments[0], Integer.parseInt(arguments[1]));
        final byte[] sent = new byte[1 << 20];
        new Random(1).nextBytes(sent);
        compare("Socket", sent, bySocket(server, sent));
        compare("SocketChannel", sent, byChannel(server, sent));
    }

    static void compare(String what, byte[] sent, byte[] received) throws Exception {
        if (!Arrays.equals(sent, received))
            throw new Exception(what + ": something else comes back, " + received.length + " bytes");
    }

    static byte[] bySocket(InetSocketAddress server, byte[] sent) throws Exception {
        try (var socket = new Socket()) {
            socket.connect(server, 20_000);
            socket.setTcpNoDelay(true);
            socket.setSoTimeout(60_000);
            final var writer = new Thread(() -> {
                try {
                    socket.getOutputStream().write(sent);
                    socket.shutdownOutput();
                } catch (IOException error) {
                    System.err.println(error);
                }
            });
            writer.start();
            final byte[] received = socket.getInputStream().readAllBytes();
            writer.join();
            return received;
        }
    }

    static byte[] byChannel(InetSocketAddress server, byte[] sent) throws Exception {
        final var received = ByteBuffer.allocate(sent.length + 1);
        final var outgoing = ByteBuffer.wrap(sent);
        try (var selector = Selector.open(); var channel = SocketChannel.open()) {
            channel.configureBlocking(false);
            final var key = channel.register(selector, SelectionKey.OP_CONNECT);
            channel.connect(server);
            for (boolean open = true; open;) {
                if (selector.select(60_000) == 0)
                    throw new Exception("nothing happens for a minute");
                selector.selectedKeys().clear();
                if (key.isConnectable() && channel.finishConnect())
                    key.interestOps(SelectionKey.OP_READ | SelectionKey.OP_WRITE);
                if (key.isWritable()) {
                    channel.write(outgoing);
                    if (!outgoing.hasRemaining()) {
                        channel.shutdownOutput();
                        key.interestOps(SelectionKey.OP_READ);
                    }
                }
                if (key.isReadable())
                    open = channel.read(received) >= 0;
            }
        }
        return Arrays.copyOf(received.array(), received.position());
    }

    static void serve(int port) throws IOException {
        final var selector = Selector.open();
        final var listener = ServerSocketChannel.open();
        listener.bind(new InetSocketAddress(port));
        listener.configureBlocking(false);
        listener.register(selector, SelectionKey.OP_ACCEPT);
        System.out.println("listening");
        for (;;) {
            selector.select();
            for (final var key : selector.selectedKeys()) {
                if (key.isAcceptable()) {
                    final var client = listener.accept();
                    if (client == null)
                        continue;
                    client.configureBlocking(false);
                    client.register(selector, SelectionKey.OP_READ, ByteBuffer.allocate(65536));
                } else if (key.isValid()) {
                    giveBack(key);
                }
            }
            selector.selectedKeys().clear();
        }
    }

    /** Reads while there is room, writes while there is something; closes when both have ended. */
    static void giveBack(SelectionKey key) {
        final var client = (SocketChannel) key.channel();
        final var buffer = (ByteBuffer) key.attachment();
        try {
            final boolean ended = key.isReadable() && client.read(buffer) < 0;
            buffer.flip();
            client.write(buffer);
            buffer.compact();
            if (ended && buffer.position() == 0) {
                client.close();
                return;
            }
            int interest = 0;
            if (buffer.hasRemaining())
                interest |= SelectionKey.OP_READ;
            if (buffer.position() > 0)
                interest |= SelectionKey.OP_WRITE;
            key.interestOps(interest);
        } catch (IOException error) {
            System.out.println(error);
            try {
                client.close();
            } catch (IOException ignored) {
            }
        }
    }
}
