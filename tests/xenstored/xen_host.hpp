// SPDX-License-Identifier: MIT
/// A real xenstored, and a toolstack that starts and ends domains in it which are nothing but their nodes.
#pragma once

#include <map>
#include <string>
#include <vector>

#include <sys/types.h>

struct xs_handle;

namespace xvsock::xenstored_test {

/// "/path" to "VALUE (PERMISSIONS)".
using tree = std::map<std::string, std::string>;

class xen_host {
public:
    /// Starts xenstored, of the packages unpacked in the folder XENSTORED_PACKAGES, in a folder of its own.
    xen_host();
    ~xen_host();
    xen_host(const xen_host&) = delete;
    xen_host& operator=(const xen_host&) = delete;

    const std::string& folder() const { return folder_; }
    pid_t xenstored() const { return xenstored_; }

    /// As libxl does, up to @introduceDomain.
    void start_domain(unsigned id, const std::string& name, const std::string& uuid);
    /// As libxl does: its home goes first, then the domain, and xenstored says @releaseDomain.
    void destroy_domain(unsigned id);
    /// It goes, and nobody cleans up after it.
    void lose_domain(unsigned id);
    void rename_domain(unsigned id, const std::string& name);

    // As dom0, outside of transactions:
    void write(const std::string& path, const std::string& value);
    std::string read(const std::string& path); ///< empty when there is no such node
    bool exists(const std::string& path);
    void remove(const std::string& path);
    /// The node, all below it, and their permissions.
    tree dump(const std::string& path = "/local/domain");

private:
    void set_permissions(const std::string& path, unsigned owner, unsigned reader);
    void add(tree& nodes, const std::string& path, unsigned transaction);

    std::string folder_;
    pid_t xenstored_ = -1;
    int events_ = -1;
    xs_handle* store_ = nullptr;
    unsigned transaction_ = 0; ///< while one is open
};

} // namespace xvsock::xenstored_test
