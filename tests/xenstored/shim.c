// SPDX-License-Identifier: MIT
// Lets xenstored run on a host without Xen: the few functions of Xen's libraries that it calls, over a folder
// XENSTORED_HOST that stands for the hypervisor. In it
//   domains/N   there is such a file for each domain that runs
//   events      a FIFO: a byte in it is VIRQ_DOM_EXC, "a domain has died or is about to"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <xenctrl.h>
#include <xenevtchn.h>
#include <xengnttab.h>

enum { page_size = 4096, dom_exc_port = 1, first_interdomain_port = 2 };

static void path_in_host(char *path, size_t size, const char *format, ...)
{
    const char *host = getenv("XENSTORED_HOST");
    int length = snprintf(path, size, "%s/", host ? host : "/nonexistent");
    va_list words;

    va_start(words, format);
    vsnprintf(path + length, size - (size_t)length, format, words);
    va_end(words);
}

static int runs(unsigned int domid)
{
    char path[256];

    path_in_host(path, sizeof(path), "domains/%u", domid);
    return domid == 0 || access(path, F_OK) == 0;
}

// ---- libxenctrl

xc_interface *xc_interface_open(xentoollog_logger *logger, xentoollog_logger *dombuild_logger, unsigned open_flags)
{
    static int only;

    (void)logger;
    (void)dombuild_logger;
    (void)open_flags;
    return (xc_interface *)&only;
}

int xc_interface_close(xc_interface *xch)
{
    (void)xch;
    return 0;
}

// Of Xen 4.17: the first `max_doms` domains from `first_domid` on; xenstored asks for one.
int xc_domain_getinfo(xc_interface *xch, uint32_t first_domid, unsigned int max_doms, xc_dominfo_t *info)
{
    (void)xch;
    if (max_doms == 0 || !runs(first_domid))
        return 0;
    memset(info, 0, sizeof(*info));
    info->domid = first_domid;
    info->running = 1;
    return 1;
}

// Of Xen 4.20.
int xc_domain_getinfo_single(xc_interface *xch, uint32_t domid, xc_domaininfo_t *info);
int xc_domain_getinfo_single(xc_interface *xch, uint32_t domid, xc_domaininfo_t *info)
{
    (void)xch;
    if (!runs(domid)) {
        errno = ESRCH;
        return -1;
    }
    memset(info, 0, sizeof(*info));
    info->domain = (domid_t)domid;
    info->flags = XEN_DOMINF_running;
    return 0;
}

// ---- libxenevtchn

static int events = -1;

xenevtchn_handle *xenevtchn_open(xentoollog_logger *logger, unsigned int flags)
{
    char path[256];

    (void)logger;
    (void)flags;
    path_in_host(path, sizeof(path), "events");
    events = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
    return events < 0 ? NULL : (xenevtchn_handle *)&events;
}

xenevtchn_handle *xenevtchn_fdopen(struct xentoollog_logger *logger, int fd, unsigned int open_flags)
{
    (void)fd;
    return xenevtchn_open(logger, open_flags);
}

int xenevtchn_fd(xenevtchn_handle *xce)
{
    (void)xce;
    return events;
}

xenevtchn_port_or_error_t xenevtchn_pending(xenevtchn_handle *xce)
{
    char byte;

    (void)xce;
    return read(events, &byte, 1) == 1 ? dom_exc_port : -1;
}

xenevtchn_port_or_error_t xenevtchn_bind_virq(xenevtchn_handle *xce, unsigned int virq)
{
    (void)xce;
    (void)virq;
    return dom_exc_port;
}

xenevtchn_port_or_error_t xenevtchn_bind_interdomain(xenevtchn_handle *xce, uint32_t domid,
                                                     evtchn_port_t remote_port)
{
    static int next = first_interdomain_port;

    (void)xce;
    (void)domid;
    (void)remote_port;
    return next++;
}

int xenevtchn_unbind(xenevtchn_handle *xce, evtchn_port_t port)
{
    (void)xce;
    (void)port;
    return 0;
}

int xenevtchn_unmask(xenevtchn_handle *xce, evtchn_port_t port)
{
    (void)xce;
    (void)port;
    return 0;
}

int xenevtchn_notify(xenevtchn_handle *xce, evtchn_port_t port)
{
    (void)xce;
    (void)port;
    return 0;
}

// ---- libxengnttab: a domain's page has nobody at its other end

xengnttab_handle *xengnttab_open(struct xentoollog_logger *logger, unsigned open_flags)
{
    static int only;

    (void)logger;
    (void)open_flags;
    return (xengnttab_handle *)&only;
}

int xengnttab_close(xengnttab_handle *xgt)
{
    (void)xgt;
    return 0;
}

int xengnttab_set_max_grants(xengnttab_handle *xgt, uint32_t nr_grants)
{
    (void)xgt;
    (void)nr_grants;
    return 0;
}

void *xengnttab_map_grant_ref(xengnttab_handle *xgt, uint32_t domid, uint32_t ref, int prot)
{
    void *page = mmap(NULL, page_size, prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    (void)xgt;
    (void)domid;
    (void)ref;
    return page == MAP_FAILED ? NULL : page;
}

int xengnttab_unmap(xengnttab_handle *xgt, void *start_address, uint32_t count)
{
    (void)xgt;
    return munmap(start_address, (size_t)count * page_size);
}

// ---- dom0's own page and port

static int open_dom0s(const char *path)
{
    int file = -1;

    if (strcmp(path, "/proc/xen/xsd_port") == 0) {
        file = memfd_create("xsd_port", 0);
        if (file >= 0 && pwrite(file, "1\n", 2, 0) != 2)
            return -1;
    } else if (strcmp(path, "/proc/xen/xsd_kva") == 0) {
        file = memfd_create("xsd_kva", 0);
        if (file >= 0 && ftruncate(file, page_size) != 0)
            return -1;
    }
    return file;
}

static int open_next(const char *name, const char *path, int flags, mode_t mode)
{
    int (*next)(const char *, int, ...) = (int (*)(const char *, int, ...))dlsym(RTLD_NEXT, name);
    int dom0s = open_dom0s(path);

    return dom0s >= 0 ? dom0s : next(path, flags, mode);
}

int open(const char *path, int flags, ...)
{
    va_list words;
    mode_t mode;

    va_start(words, flags);
    mode = va_arg(words, mode_t);
    va_end(words);
    return open_next("open", path, flags, mode);
}

int open64(const char *path, int flags, ...);
int open64(const char *path, int flags, ...)
{
    va_list words;
    mode_t mode;

    va_start(words, flags);
    mode = va_arg(words, mode_t);
    va_end(words);
    return open_next("open64", path, flags, mode);
}
