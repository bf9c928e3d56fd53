/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Every difference between the kernels that the module builds for. The
 * XVSOCK_HAVE_* and XVSOCK_ALLOW_* macros come from the probes in Kbuild.
 */
#ifndef XVSOCK_COMPAT_H
#define XVSOCK_COMPAT_H

#include <linux/uio.h>
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

/* The first piece of a user's memory that is left; iter_iov() has come with 6.4. */
static inline struct iovec xvsock_user_piece(const struct iov_iter *iter)
{
	const struct iovec *iov;

	if (iter_is_ubuf(iter))
		return (struct iovec){
			.iov_base = iter->ubuf + iter->iov_offset,
			.iov_len = iov_iter_count(iter),
		};
#ifdef XVSOCK_HAVE_ITER_IOV
	iov = iter_iov(iter);
#else
	iov = iter->iov;
#endif
	return (struct iovec){
		.iov_base = iov->iov_base + iter->iov_offset,
		.iov_len = min(iov->iov_len - iter->iov_offset, iov_iter_count(iter)),
	};
}

#endif /* XVSOCK_COMPAT_H */
