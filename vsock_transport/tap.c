// SPDX-License-Identifier: GPL-2.0-only
/* What vsockmon devices show of our connections: tcpdump, wireshark. */
#include <linux/skbuff.h>
#include <net/af_vsock.h>
#include <uapi/linux/vsockmon.h>

#include "connection.h"

/* The payload of one packet at most, which is captured in atomic context. */
#define TAP_PAYLOAD_MAX 16384u

struct tap_packet {
	const struct xvsock_conn *conn;
	bool tx;
	u16 op; /* enum af_vsockmon_op */
	const void *data; /* or: */
	struct iov_iter *user;
	size_t length;
};

static struct sk_buff *tap_build(void *opaque)
{
	const struct tap_packet *packet = opaque;
	const struct xvsock_conn *conn = packet->conn;
	bool as_asked = packet->tx == conn->initiator; /* from src_port to dst_port */
	u32 own_cid = xvsock_peer_own_cid(conn->peer);
	struct af_vsockmon_hdr *header;
	struct sk_buff *skb;

	skb = alloc_skb(sizeof(*header) + packet->length, GFP_ATOMIC | __GFP_NOWARN);
	if (!skb)
		return NULL;
	header = skb_put_zero(skb, sizeof(*header));
	header->src_cid = cpu_to_le64(packet->tx ? own_cid : conn->peer->cid);
	header->dst_cid = cpu_to_le64(packet->tx ? conn->peer->cid : own_cid);
	header->src_port = cpu_to_le32(as_asked ? conn->src_port : conn->dst_port);
	header->dst_port = cpu_to_le32(as_asked ? conn->dst_port : conn->src_port);
	header->op = cpu_to_le16(packet->op);
	header->transport = cpu_to_le16(AF_VSOCK_TRANSPORT_NO_INFO);
	if (packet->user) {
		struct iov_iter user = *packet->user;
		size_t copied;

		pagefault_disable();
		copied = copy_from_iter(skb_put(skb, packet->length), packet->length, &user);
		pagefault_enable();
		skb_trim(skb, sizeof(*header) + copied);
	} else if (packet->length) {
		skb_put_data(skb, packet->data, packet->length);
	}
	return skb;
}

static void tap_payload(struct tap_packet packet, size_t length)
{
	while (length) {
		packet.length = min_t(size_t, length, TAP_PAYLOAD_MAX);
		vsock_deliver_tap(tap_build, &packet);
		if (packet.user)
			iov_iter_advance(packet.user, packet.length);
		else
			packet.data += packet.length;
		length -= packet.length;
	}
}

void xvsock_tap_data(const struct xvsock_conn *conn, bool tx, const void *data, size_t length)
{
	struct tap_packet packet = {
		.conn = conn,
		.tx = tx,
		.op = AF_VSOCK_OP_PAYLOAD,
		.data = data,
	};

	tap_payload(packet, length);
}

void xvsock_tap_user(const struct xvsock_conn *conn, struct iov_iter data, size_t length)
{
	struct tap_packet packet = {
		.conn = conn,
		.tx = true,
		.op = AF_VSOCK_OP_PAYLOAD,
		.user = &data,
	};

	tap_payload(packet, length);
}

void xvsock_tap_state(const struct xvsock_conn *conn, bool tx, bool connects)
{
	struct tap_packet packet = {
		.conn = conn,
		.tx = tx,
		.op = connects ? AF_VSOCK_OP_CONNECT : AF_VSOCK_OP_DISCONNECT,
	};

	vsock_deliver_tap(tap_build, &packet);
}
