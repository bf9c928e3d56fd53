// SPDX-License-Identifier: MIT
#include "run/program_file.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <fmt/format.h>
#include <fstream>
#include <sstream>
#include <vector>

#include <elf.h>
#include <sys/stat.h>
#include <unistd.h>

namespace xvsock::run {

namespace fs = std::filesystem;

namespace {

bool is_executable(const fs::path& file) {
    std::error_code ignored;
    return fs::is_regular_file(file, ignored) && ::access(file.c_str(), X_OK) == 0;
}

/// Whether a note is of Go's linker.
bool has_go_note(std::istream& file, const Elf64_Phdr& part) {
    file.clear();
    file.seekg(static_cast<std::streamoff>(part.p_offset));
    for (std::uint64_t left = part.p_filesz; left >= sizeof(Elf64_Nhdr);) {
        Elf64_Nhdr note{};
        std::array<char, 4> owner{};
        if (!file.read(reinterpret_cast<char*>(&note), sizeof note) || !file.read(owner.data(), owner.size()))
            return false;
        if (note.n_namesz == owner.size() && std::memcmp(owner.data(), "Go\0", owner.size()) == 0)
            return true;
        const auto padded = [](std::uint64_t size) { return (size + 3) & ~std::uint64_t{3}; };
        const auto size = sizeof note + padded(note.n_namesz) + padded(note.n_descsz);
        if (size > left)
            return false;
        left -= size;
        file.seekg(static_cast<std::streamoff>(part.p_offset + part.p_filesz - left));
    }
    return false;
}

std::string objection_to_elf(const fs::path& program, std::istream& file) {
    Elf64_Ehdr header{};
    file.seekg(0);
    if (!file.read(reinterpret_cast<char*>(&header), sizeof header))
        return {};
    if (header.e_ident[EI_CLASS] != ELFCLASS64)
        return fmt::format("{} is a 32-bit program, for which there is no library", program.string());
    bool has_interpreter = false;
    for (unsigned i = 0; i < header.e_phnum; ++i) {
        Elf64_Phdr part{};
        file.clear();
        file.seekg(static_cast<std::streamoff>(header.e_phoff + std::uint64_t{i} * header.e_phentsize));
        if (!file.read(reinterpret_cast<char*>(&part), sizeof part))
            return {};
        if (part.p_type == PT_NOTE && has_go_note(file, part))
            return fmt::format(
                "{} is a program in Go, which calls the system without the C library, so no library "
                "can carry its connections",
                program.string());
        has_interpreter = has_interpreter || part.p_type == PT_INTERP;
    }
    if (has_interpreter)
        return {};
    return fmt::format("{} is statically linked, so no library can carry its connections", program.string());
}

} // namespace

std::optional<fs::path> find_program(const std::string& name, const std::string& search_path) {
    if (name.find('/') != std::string::npos)
        return is_executable(name) ? std::optional<fs::path>(name) : std::nullopt;
    std::istringstream folders(search_path);
    for (std::string folder; std::getline(folders, folder, ':');)
        if (const auto file = fs::path(folder.empty() ? "." : folder) / name; is_executable(file))
            return file;
    return std::nullopt;
}

std::string objection_to(const fs::path& program) {
    struct stat status {};
    if (::stat(program.c_str(), &status) == 0 && (status.st_mode & (S_ISUID | S_ISGID)) != 0 &&
        ::geteuid() != 0)
        return fmt::format("{} runs with the rights of its owner, so the system loads no library into it",
                           program.string());
    std::ifstream file(program, std::ios::binary);
    std::array<char, 4> magic{};
    if (!file.read(magic.data(), magic.size()))
        return {};
    if (std::memcmp(magic.data(), ELFMAG, SELFMAG) == 0)
        return objection_to_elf(program, file);
    if (magic[0] != '#' || magic[1] != '!')
        return {};
    file.seekg(2);
    std::string line, interpreter;
    std::getline(file, line);
    std::istringstream(line) >> interpreter;
    std::ifstream other(interpreter, std::ios::binary);
    if (!other.read(magic.data(), magic.size()) || std::memcmp(magic.data(), ELFMAG, SELFMAG) != 0)
        return {};
    return objection_to_elf(interpreter, other);
}

} // namespace xvsock::run
