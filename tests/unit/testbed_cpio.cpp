// SPDX-License-Identifier: MIT
// The initramfs writer, by the newc format's own rules.
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include <gtest/gtest.h>
#include <unistd.h>

#include "host/cpio.hpp"
#include "host/failure.hpp"

namespace fs = std::filesystem;
using namespace xvsock::testbed;

namespace {

unsigned long field(const std::string& archive, std::size_t member, int index) {
    return std::stoul(archive.substr(member + 6 + static_cast<std::size_t>(index) * 8, 8), nullptr, 16);
}

TEST(testbed_cpio, members_follow_the_format) {
    const auto file = fs::temp_directory_path() / ("testbed-cpio-" + std::to_string(::getpid()));
    cpio_writer writer(file);
    writer.add_text("init", "hello", 0755);
    writer.finish();
    std::ifstream in(file, std::ios::binary);
    const std::string archive{std::istreambuf_iterator<char>(in), {}};
    fs::remove(file);

    EXPECT_EQ(archive.size() % 512, 0U);
    EXPECT_EQ(archive.substr(0, 6), "070701");
    EXPECT_EQ(field(archive, 0, 1), 0100755U); // mode
    EXPECT_EQ(field(archive, 0, 6), 5U);       // size
    EXPECT_EQ(field(archive, 0, 11), 5U);      // name's size with its end
    EXPECT_EQ(archive.substr(110, 5), std::string("init\0", 5));
    EXPECT_EQ(archive.substr(116, 5), "hello"); // 110 + 5 rounded up to 4
    EXPECT_EQ(archive.substr(124, 6), "070701");
    EXPECT_EQ(archive.substr(124 + 110, 10), "TRAILER!!!");
}

TEST(testbed_cpio, full_disk_is_told) {
    if (!fs::exists("/dev/full"))
        GTEST_SKIP() << "no /dev/full";
    const auto fill = [] {
        cpio_writer writer("/dev/full");
        writer.add_text("file", std::string(1 << 20, 'x'));
        writer.finish();
    };
    EXPECT_THROW(fill(), failure);
}

} // namespace
