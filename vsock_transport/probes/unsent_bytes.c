// SPDX-License-Identifier: GPL-2.0-only
/* struct vsock_transport has unsent_bytes (SIOCOUTQ, SO_LINGER). */
#include <net/af_vsock.h>

ssize_t probe(const struct vsock_transport *t, struct vsock_sock *vsk);
ssize_t probe(const struct vsock_transport *t, struct vsock_sock *vsk)
{
	return t->unsent_bytes(vsk);
}
