// SPDX-License-Identifier: MIT
#include "held_lock.hpp"

#include <cstdint>
#include <exception>

#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include <linux/userfaultfd.h>

namespace xvsock::guest {

namespace {

constexpr std::size_t page_size = 4096;

[[noreturn]] void fail(const char* what) {
    throw std::system_error(errno, std::generic_category(), what);
}

} // namespace

held_lock::held_lock(int socket)
    : faults_(static_cast<int>(::syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK))) {
    if (faults_.get() < 0)
        fail("userfaultfd");
    page_ = ::mmap(nullptr, page_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page_ == MAP_FAILED)
        fail("mmap");
    uffdio_api api{};
    api.api = UFFD_API;
    uffdio_register area{};
    area.range = {.start = reinterpret_cast<std::uintptr_t>(page_), .len = page_size};
    area.mode = UFFDIO_REGISTER_MODE_MISSING;
    if (::ioctl(faults_.get(), UFFDIO_API, &api) != 0 || ::ioctl(faults_.get(), UFFDIO_REGISTER, &area) != 0)
        fail("registering with userfaultfd");
    // The page will read as 0, which as a minimum changes nothing.
    holder_ = std::thread([this, socket] {
        ::setsockopt(socket, AF_VSOCK, SO_VM_SOCKETS_BUFFER_MIN_SIZE, page_, sizeof(std::uint64_t));
    });
    pollfd fault{.fd = faults_.get(), .events = POLLIN, .revents = 0};
    // The fault comes when the lock has been taken.
    if (::poll(&fault, 1, 20000) != 1 || fault.revents != POLLIN)
        std::terminate();
}

held_lock::~held_lock() {
    uffdio_zeropage zero{};
    zero.range = {.start = reinterpret_cast<std::uintptr_t>(page_), .len = page_size};
    if (::ioctl(faults_.get(), UFFDIO_ZEROPAGE, &zero) != 0)
        std::terminate(); // or the thread would never end
    holder_.join();
    ::munmap(page_, page_size);
}

} // namespace xvsock::guest
