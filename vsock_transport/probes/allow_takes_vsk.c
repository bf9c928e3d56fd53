// SPDX-License-Identifier: GPL-2.0-only
/* stream_allow() is told the socket. The accept queue is then counted by the core. */
#include <net/af_vsock.h>

bool probe(const struct vsock_transport *t, struct vsock_sock *vsk);
bool probe(const struct vsock_transport *t, struct vsock_sock *vsk)
{
	return t->stream_allow(vsk, 0, 0);
}
