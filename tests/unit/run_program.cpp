// SPDX-License-Identifier: MIT
// Which programs a library can be loaded into.
#include "run/program_file.hpp"

#include <gtest/gtest.h>

#include <fstream>

#include <elf.h>
#include <sys/stat.h>
#include <unistd.h>

namespace xvsock::run {
namespace {

namespace fs = std::filesystem;

class run_program : public testing::Test {
protected:
    void SetUp() override {
        folder_ = fs::temp_directory_path() / ("run_program." + std::to_string(::getpid()));
        fs::create_directories(folder_);
    }
    void TearDown() override { fs::remove_all(folder_); }

    fs::path make(const std::string& name, const std::string& content, mode_t mode = 0755) const {
        const auto path = folder_ / name;
        std::ofstream(path, std::ios::binary) << content;
        ::chmod(path.c_str(), mode);
        return path;
    }

    /// A program with one part of that type, and what is in it.
    static std::string elf(std::uint32_t type, unsigned char bits = ELFCLASS64,
                           const std::string& content = {}) {
        Elf64_Ehdr header{};
        std::copy_n(ELFMAG, SELFMAG, header.e_ident);
        header.e_ident[EI_CLASS] = bits;
        header.e_phoff = sizeof header;
        header.e_phentsize = sizeof(Elf64_Phdr);
        header.e_phnum = 1;
        Elf64_Phdr part{};
        part.p_type = type;
        part.p_offset = sizeof header + sizeof part;
        part.p_filesz = content.size();
        return std::string(reinterpret_cast<const char*>(&header), sizeof header) +
               std::string(reinterpret_cast<const char*>(&part), sizeof part) + content;
    }

    /// A note with four bytes of content.
    static std::string note(const std::string& owner) {
        Elf64_Nhdr header{};
        header.n_namesz = static_cast<Elf64_Word>(owner.size());
        header.n_descsz = 4;
        return std::string(reinterpret_cast<const char*>(&header), sizeof header) + owner + "1234";
    }

    fs::path folder_;
};

TEST_F(run_program, is_found_as_the_shell_finds_it) {
    make("tool", "x");
    make("text", "x", 0644);
    const auto path = "/nowhere:" + folder_.string() + ":/bin";
    EXPECT_EQ(find_program("tool", path), folder_ / "tool");
    EXPECT_EQ(find_program("text", path), std::nullopt);
    EXPECT_EQ(find_program("none", path), std::nullopt);
    EXPECT_EQ(find_program((folder_ / "tool").string(), ""), folder_ / "tool");
    EXPECT_EQ(find_program((folder_ / "none").string(), path), std::nullopt);
    EXPECT_EQ(find_program(folder_.string(), path), std::nullopt);
}

TEST_F(run_program, takes_a_library_if_it_has_an_interpreter) {
    EXPECT_EQ(objection_to(make("dynamic", elf(PT_INTERP))), "");
    EXPECT_NE(objection_to(make("static", elf(PT_LOAD))).find("statically linked"), std::string::npos);
    EXPECT_NE(objection_to(make("small", elf(PT_INTERP, ELFCLASS32))).find("32-bit"), std::string::npos);
    EXPECT_EQ(objection_to(fs::read_symlink("/proc/self/exe")), "");
}

TEST_F(run_program, takes_none_when_it_is_in_go) {
    const std::string gnu("GNU\0", 4);
    const std::string go("Go\0\0", 4);
    EXPECT_NE(objection_to(make("go", elf(PT_NOTE, ELFCLASS64, note(gnu) + note(go)))).find("in Go"),
              std::string::npos);
    for (const auto& content :
         {note(gnu), note(gnu) + note(gnu), note(go).substr(0, 13), std::string(50, '\xff')})
        EXPECT_EQ(objection_to(make("other", elf(PT_NOTE, ELFCLASS64, content))).find("in Go"),
                  std::string::npos);
}

TEST_F(run_program, is_judged_by_the_interpreter_of_a_script) {
    const auto fixed = make("static", elf(PT_LOAD));
    EXPECT_NE(objection_to(make("script", "#! " + fixed.string() + " -x\n")).find("statically linked"),
              std::string::npos);
    EXPECT_EQ(objection_to(make("shell", "#!/bin/sh\n")), "");
    EXPECT_EQ(objection_to(make("lost", "#!/nowhere\n")), "");
}

TEST_F(run_program, is_not_judged_by_what_cannot_be_understood) {
    EXPECT_EQ(objection_to(make("empty", "")), "");
    EXPECT_EQ(objection_to(make("cut", elf(PT_LOAD).substr(0, 20))), "");
    EXPECT_EQ(objection_to(make("cut-part", elf(PT_LOAD).substr(0, 70))), "");
    EXPECT_EQ(objection_to(folder_ / "none"), "");
}

} // namespace
} // namespace xvsock::run
