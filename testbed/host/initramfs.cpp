// SPDX-License-Identifier: MIT
#include "host/initramfs.hpp"

#include <cerrno>
#include <cstring>
#include <fstream>

#include <boost/json/serialize.hpp>
#include <fmt/format.h>

#include "host/cpio.hpp"
#include "host/failure.hpp"

namespace fs = std::filesystem;

namespace xvsock::testbed {

namespace {

constexpr const char* agent = "/usr/local/bin/testbed-agent";

std::string hosts_file(const run_plan& plan) {
    auto text = fmt::format("127.0.0.1 localhost\n{} dom0\n", dom0_address);
    for (std::size_t i = 0; i < plan.guests.size(); ++i)
        text += fmt::format("{} {}\n", guest_address(i), plan.guests[i].name);
    return text;
}

void add_program(cpio_writer& archive, const fs::path& program) {
    archive.add_file("usr/local/bin/" + program.filename().string(), {program}, 0755);
}

// A scenario's files/ folder. In the images /bin, /sbin and /lib are links: a folder of that name would
// replace the link, so its content goes to where the link leads.
void add_files(cpio_writer& archive, const fs::path& folder) {
    if (!fs::is_directory(folder))
        return;
    for (const auto& entry : fs::directory_iterator(folder)) {
        const auto name = entry.path().filename().string();
        const bool linked = name == "bin" || name == "sbin" || name == "lib" || name == "lib64";
        const auto target = (linked ? "usr/" : "") + name;
        if (entry.is_directory()) {
            archive.add_folder(target);
            archive.add_tree(entry.path(), target + "/");
        } else {
            archive.add_file(target, {entry.path()}, static_cast<unsigned>(entry.status().permissions()));
        }
    }
}

void add_artifacts(cpio_writer& archive, const std::vector<fs::path>& artifacts) {
    const std::string folder = "testbed/artifacts/";
    archive.add_folder("testbed/artifacts");
    for (const auto& artifact : artifacts) {
        const auto target = folder + artifact.filename().string();
        if (fs::is_directory(artifact)) {
            archive.add_folder(target);
            archive.add_tree(artifact, target + "/");
        } else {
            archive.add_file(target, {artifact}, 0644);
        }
    }
}

void add_common(cpio_writer& archive, const overlay& extra) {
    archive.add_folder("testbed");
    archive.add_folder("testbed/scripts");
    archive.add_folder("results");
    archive.add_folder("root", 0700);
    for (const auto* folder : {"proc", "sys", "run", "tmp"})
        archive.add_folder(folder);
    archive.add_text("etc/hosts", hosts_file(extra.plan));
    archive.add_text("testbed/plan.json", boost::json::serialize(to_json(extra.plan)));
    if (!extra.module.empty())
        archive.add_file("testbed/xen_vsock.ko", {extra.module}, 0644);
    archive.add_parents("usr/local/bin/");
    for (const auto& program : extra.programs)
        add_program(archive, program);
    archive.add_link("init", agent);
    archive.add_link("usr/local/bin/tb", agent);
    add_files(archive, extra.what.folder / "files");
}

void concatenate(const std::vector<fs::path>& parts, const fs::path& file) {
    std::ofstream out(file, std::ios::binary | std::ios::trunc);
    for (const auto& part : parts)
        out << std::ifstream(part, std::ios::binary).rdbuf();
    out.close();
    if (!out)
        throw failure(exit_environment,
                      fmt::format("cannot write {}: {}", file.string(), std::strerror(errno)));
}

void append_guest_overlay(const fs::path& file, const overlay& extra) {
    cpio_writer archive(file);
    add_common(archive, extra);
    for (const auto& guest : extra.what.guests)
        if (!guest.script.empty())
            archive.add_file("testbed/scripts/" + guest.plan.name, {guest.script}, 0755);
    add_files(archive, extra.what.folder / "files-guest");
    archive.finish();
}

} // namespace

fs::path compose_initramfs(const boot_images& images, const overlay& extra, const fs::path& folder) {
    const auto guest_overlay = folder / "guest-overlay.cpio";
    append_guest_overlay(guest_overlay, extra);

    auto initramfs = folder / "initramfs";
    concatenate({images.dom0, images.modules}, initramfs);
    cpio_writer archive(initramfs, true);
    add_common(archive, extra);
    archive.add_parents("etc/xen/scripts/");
    archive.add_link("etc/xen/scripts/vif-testbed", agent);
    if (!extra.what.dom0_script.empty())
        archive.add_file("testbed/scripts/dom0", {extra.what.dom0_script}, 0755);
    archive.add_file("testbed/guest-vmlinux", {images.vmlinux}, 0644);
    archive.add_file("testbed/guest-initrd", {images.guest, images.modules, guest_overlay}, 0644);
    add_artifacts(archive, extra.artifacts);
    add_files(archive, extra.what.folder / "files-dom0");
    archive.finish();
    fs::remove(guest_overlay);
    return initramfs;
}

} // namespace xvsock::testbed
