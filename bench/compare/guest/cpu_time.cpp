// SPDX-License-Identifier: MIT
// bench-cpu-time: in dom0, what each domain has run since it was made, in nanoseconds, a line "DOMID NS"
// each; and "idle NS", what the host's processors have idled. `xl vcpu-list` tells the former in tenths of a
// second only. The calls belong to one version of Xen, that of the libxen-dev this was built with.
#include <cerrno>
#include <cinttypes>
#include <cstdio>
#include <cstring>
#include <memory>
#include <vector>

extern "C" {
#include <xenctrl.h>
}

namespace {

int fail(const char* what) {
    std::fprintf(stderr, "bench-cpu-time: %s: %s\n", what, std::strerror(errno));
    return 1;
}

} // namespace

int main() {
    const std::unique_ptr<xc_interface, int (*)(xc_interface*)> xen(xc_interface_open(nullptr, nullptr, 0),
                                                                    xc_interface_close);
    if (!xen)
        return fail("cannot open the hypervisor's interface");
    std::vector<xc_domaininfo_t> domains(64);
    const int count = xc_domain_getinfolist(xen.get(), 0, unsigned(domains.size()), domains.data());
    if (count < 0)
        return fail("cannot list the domains");
    std::vector<xc_cpuinfo_t> processors(64);
    int found = 0;
    if (xc_getcpuinfo(xen.get(), int(processors.size()), processors.data(), &found) != 0)
        return fail("cannot read the processors' times");
    for (int i = 0; i < count; ++i)
        std::printf("%d %" PRIu64 "\n", domains[std::size_t(i)].domain, domains[std::size_t(i)].cpu_time);
    std::uint64_t idle = 0;
    for (int i = 0; i < found; ++i)
        idle += processors[std::size_t(i)].idletime;
    std::printf("idle %" PRIu64 "\n", idle);
    return 0;
}
