// SPDX-License-Identifier: MIT
// Fetches a file, and goes on where it was interrupted. What has come so far is in NAME.part.
//   file_client DOMAIN:PORT NAME
#include "file_transfer.hpp"

#include <xvsock/connect.hpp>
#include <xvsock/resolver.hpp>

#include <boost/asio/io_context.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/write.hpp>
#include <iostream>
#include <unistd.h>

namespace asio = boost::asio;
namespace fs = std::filesystem;
using namespace file_transfer;
using protocol = xvsock::stream_protocol;

namespace {

/// One attempt. Returns false when what is there is no beginning of the server's file.
class transfer {
public:
    transfer(protocol::socket& server, std::string name) : server_(server), name_(std::move(name)) {}

    bool run() {
        ask();
        const std::string answer = read_line();
        if (answer == "CHANGED")
            return false;
        if (!answer.starts_with("OK "))
            throw std::runtime_error("the server says: " + answer);
        size_ = std::stoull(answer.substr(3));
        receive();
        if (read_line() != to_text(sum_))
            throw std::runtime_error("the checksum differs; remove " + part().string() + " and try again");
        file_.close();
        if (!file_)
            throw std::runtime_error("cannot write " + part().string());
        fs::rename(part(), name_);
        return true;
    }

private:
    fs::path part() const { return name_ + ".part"; }

    void ask() {
        if (fs::exists(part())) {
            have_ = fs::file_size(part());
            std::ifstream before(part(), std::ios::binary);
            sum_ = checksum_of(before, have_);
        }
        asio::write(server_,
                    asio::buffer("GET " + std::to_string(have_) + ' ' + to_text(sum_) + ' ' + name_ + '\n'));
    }

    std::string read_line() {
        const auto end = asio::read_until(server_, asio::dynamic_buffer(input_, max_line + chunk), '\n');
        std::string line = input_.substr(0, end - 1);
        input_.erase(0, end);
        return line;
    }

    void receive() {
        file_.open(part(), std::ios::binary | std::ios::app);
        const std::uint64_t from = have_;
        const auto begun = std::min<std::uint64_t>(input_.size(), size_ - have_);
        keep(input_.data(), begun); // came with the answer
        input_.erase(0, begun);
        std::vector<char> data(chunk);
        while (have_ < size_) {
            const auto wanted = std::min<std::uint64_t>(chunk, size_ - have_);
            keep(data.data(), server_.read_some(asio::buffer(data, wanted)));
            show_progress();
        }
        std::clog << (isatty(STDERR_FILENO) ? "\r" : "") << name_ << ": " << size_ << " bytes, " << from
                  << " of them from before\n";
    }

    void keep(const char* data, std::size_t size) {
        file_.write(data, static_cast<std::streamsize>(size));
        file_.flush(); // so that an interruption loses little
        if (!file_)
            throw std::runtime_error("cannot write " + part().string());
        sum_.process_bytes(data, size);
        have_ += size;
    }

    void show_progress() {
        const auto percent = static_cast<unsigned>(have_ * 100 / size_);
        if (percent != shown_ && isatty(STDERR_FILENO))
            std::clog << '\r' << name_ << ": " << percent << " %" << std::flush;
        shown_ = percent;
    }

    protocol::socket& server_;
    std::string name_;
    std::string input_;
    std::ofstream file_;
    checksum sum_;
    std::uint64_t have_ = 0;
    std::uint64_t size_ = 0;
    unsigned shown_ = 0;
};

} // namespace

int main(int argc, char** argv) {
    if (argc != 3) {
        std::cerr << "usage: file_client DOMAIN:PORT NAME\n";
        return 2;
    }
    try {
        const std::string name = argv[2];
        asio::io_context context;
        const auto fetch = [&] {
            protocol::socket server(context);
            xvsock::connect(server, xvsock::resolver::resolve(argv[1]));
            return transfer(server, name).run();
        };
        if (!fetch()) {
            std::clog << name << ": the server's file has changed, beginning anew\n";
            fs::remove(name + ".part");
            fetch();
        }
    } catch (const std::exception& error) {
        std::cerr << "file_client: " << error.what() << '\n';
        return 1;
    }
}
