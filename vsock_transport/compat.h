/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Every difference between the kernels that the module builds for. The
 * XVSOCK_HAVE_* and XVSOCK_ALLOW_* macros come from the probes in Kbuild.
 */
#ifndef XVSOCK_COMPAT_H
#define XVSOCK_COMPAT_H

#include <net/sock.h>

/* stream_allow() has been told the socket since 7.2. */
#ifdef XVSOCK_ALLOW_TAKES_VSK
#define XVSOCK_ALLOW_VSK struct vsock_sock *vsk,
#else
#define XVSOCK_ALLOW_VSK
#endif

/* The same kernels count the accept queue in the core; before, transports do. */
static inline void xvsock_acceptq_added(struct sock *listener)
{
#ifndef XVSOCK_ALLOW_TAKES_VSK
	sk_acceptq_added(listener);
#endif
}

#endif /* XVSOCK_COMPAT_H */
