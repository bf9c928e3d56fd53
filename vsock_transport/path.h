/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How messages and bytes come to a peer: by pages that are shared (vchan), or by
 * copies that the hypervisor makes (Argo). One of the two serves all links of
 * this domain; both ends of a link must have chosen the same.
 */
#ifndef XVSOCK_PATH_H
#define XVSOCK_PATH_H

#include <linux/types.h>
#include <xen/grant_table.h>
#include <xen/interface/event_channel.h>

struct msghdr;
struct work_struct;
struct xvsock_conn;
struct xvsock_message;
struct xvsock_pages;
struct xvsock_peer;

struct xvsock_path {
	const char *name; /* in xenstore, and the module parameter's */
	bool shares_pages; /* so rings grow, vchans are released, and a page has the live bytes */

	/* -- the control channel -- */

	/*
	 * The frontend's half makes what its peer needs, and what xenstore says
	 * of it: peer->offer and the port of control.event. The backend's half
	 * takes it. Both leave the peer up. Sleep.
	 */
	int (*control_offer)(struct xvsock_peer *peer);
	int (*control_attach)(struct xvsock_peer *peer, grant_ref_t ref, evtchn_port_t port);
	/* Backend: says that the link is up here. Frontend: whether a backend has said so. */
	void (*control_take)(struct xvsock_peer *peer);
	bool (*control_taken)(struct xvsock_peer *peer);
	/*
	 * Stops both directions and gives up what there is. A granted page that
	 * the peer still maps goes to `held`, which is empty otherwise. Sleeps,
	 * but waits for no user.
	 */
	void (*control_close)(struct xvsock_peer *peer, struct xvsock_pages *held);
	/* Receives. peer->control_work. */
	void (*control_work)(struct work_struct *work);

	/* peer->lock is held for these three. */

	/* Whether a message fits. If not, control_work is queued when one may. */
	bool (*control_has_room)(struct xvsock_peer *peer);
	void (*control_write)(struct xvsock_peer *peer, const struct xvsock_message *msg);
	/* Messages were written: the peer is to look. */
	void (*control_written)(struct xvsock_peer *peer);

	/* -- a connection; lock_sock is held unless said otherwise -- */

	/* Initiator: what the peer needs to connect, before REQUEST. No lock. Sleeps. */
	int (*prepare)(struct xvsock_conn *conn, u64 buffer_size);
	/* Acceptor: takes what REQUEST names. No lock. Sleeps. */
	int (*attach)(struct xvsock_conn *conn, const struct xvsock_message *request,
		      u64 buffer_size);
	/* On return no interrupt handler uses the connection. No lock. Sleeps. */
	void (*part)(struct xvsock_conn *conn);
	/* What our side of the connection says has changed: conn->our_live. Any context. */
	void (*live_changed)(struct xvsock_conn *conn);
	/*
	 * The peer has closed: what has come by now is all that its socket gets, whatever
	 * else the peer writes. Called again for the same end.
	 */
	void (*freeze)(struct xvsock_conn *conn);
	/* How much the socket would have unread at most. */
	void (*set_limit)(struct xvsock_conn *conn, u64 bytes);

	ssize_t (*enqueue)(struct xvsock_conn *conn, struct msghdr *msg, size_t len);
	ssize_t (*dequeue)(struct xvsock_conn *conn, struct msghdr *msg, size_t len, int flags);
	/*
	 * Bytes to read, or room to write. With less than `target` bytes, or no
	 * room, the socket is woken when there is more.
	 */
	size_t (*avail)(struct xvsock_conn *conn, size_t target);
	size_t (*space)(struct xvsock_conn *conn);
	/* Whether there are `target` bytes, or as many of them as there can be. */
	bool (*ready)(struct xvsock_conn *conn, size_t target);

	/*
	 * Before a blocking call sleeps, looks for data or room for a short while. If
	 * there is some, whoever waits on the socket is woken; else the peer has been
	 * asked for a kick. The caller is on the wait queue.
	 */
	void (*spin_for_data)(struct xvsock_conn *conn);
	void (*spin_for_space)(struct xvsock_conn *conn);
};

extern const struct xvsock_path xvsock_vchan_path; /* data_path.c */
extern const struct xvsock_path xvsock_argo_path; /* argo_path.c */

/* What links are to use; set while the module is loaded. */
extern const struct xvsock_path *xvsock_path;

#endif /* XVSOCK_PATH_H */
