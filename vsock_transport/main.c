// SPDX-License-Identifier: GPL-2.0-only
/* AF_VSOCK between Xen domains over shared memory: loading and unloading. */
#include <linux/module.h>
#include <net/af_vsock.h>
#include <xen/xen.h>

#include "argo.h"
#include "foreign.h"
#include "frames.h"
#include "limits.h"
#include "link.h"
#include "path.h"
#include "peer.h"
#include "stat.h"
#include "suspend.h"
#include "transport.h"

unsigned int xvsock_max_connections = 1024;
module_param_named(max_connections, xvsock_max_connections, uint, 0644);
MODULE_PARM_DESC(max_connections, "Connections to one peer, and as many from it (default 1024)");

unsigned int xvsock_max_idle = 16;
module_param_named(max_idle, xvsock_max_idle, uint, 0644);
MODULE_PARM_DESC(max_idle,
		 "Vchans that wait for the next connection to one peer, and as many from it (default 16)");

unsigned int xvsock_max_ring_pages = 8192;
module_param_named(max_ring_pages, xvsock_max_ring_pages, uint, 0644);
MODULE_PARM_DESC(max_ring_pages,
		 "4 KiB ring pages granted to one peer, and as many mapped of it (default 8192)");

unsigned int xvsock_max_domain_pages = 24576;
module_param_named(max_domain_pages, xvsock_max_domain_pages, uint, 0644);
MODULE_PARM_DESC(max_domain_pages,
		 "Ring pages granted to all peers, and as many mapped of them (default 24576)");

unsigned int xvsock_spin_us = 50;
module_param_named(spin_us, xvsock_spin_us, uint, 0644);
MODULE_PARM_DESC(spin_us, "Longest spin before a call sleeps, in us, at most 1000 (default 50)");

static char *data_path = "vchan";
module_param(data_path, charp, 0444);
MODULE_PARM_DESC(data_path,
		 "What carries the bytes: vchan (shared memory) or argo (copies by Xen) (default vchan)");

const struct xvsock_path *xvsock_path;

struct workqueue_struct *xvsock_wq;
struct workqueue_struct *xvsock_control_wq;

static int __init xvsock_choose_path(void)
{
	int err;

	if (!strcmp(data_path, xvsock_vchan_path.name)) {
		xvsock_path = &xvsock_vchan_path;
		return 0;
	}
	if (strcmp(data_path, xvsock_argo_path.name)) {
		pr_err("xen_vsock: data_path is '%s', it must be vchan or argo\n", data_path);
		return -EINVAL;
	}
	if (!xvsock_argo_exists()) {
		pr_err("xen_vsock: this hypervisor has no Argo: it must be built with CONFIG_ARGO and be booted with argo=1; or load with data_path=vchan\n");
		return -EOPNOTSUPP;
	}
	err = xvsock_argo_init();
	if (err)
		return err;
	xvsock_path = &xvsock_argo_path;
	return 0;
}

static int __init xvsock_init(void)
{
	int err;

	if (!xen_domain()) {
		pr_err("xen_vsock: this is not a Xen domain\n");
		return -ENODEV;
	}
	err = xvsock_find_local_cid();
	if (!err)
		err = xvsock_choose_path();
	if (err)
		return err;

	xvsock_foreign_prepare();
	err = -ENOMEM;
	/* Unbound: what waits for one socket must not hold up the works of others. */
	xvsock_wq = alloc_workqueue("xvsock", WQ_UNBOUND, WQ_MAX_ACTIVE);
	if (!xvsock_wq)
		goto free_frames;
	xvsock_control_wq = alloc_workqueue("xvsock-control", WQ_UNBOUND, 0);
	if (!xvsock_control_wq)
		goto destroy_wq;
	err = xvsock_transport_register();
	if (err) {
		pr_err("xen_vsock: another vsock transport is loaded (%d)\n", err);
		goto destroy_control_wq;
	}
	err = xvsock_link_register();
	if (err)
		goto unregister_transport;

	err = xvsock_suspend_register();
	if (err)
		goto unregister_link;

	xvsock_stat_register();
	pr_info("xen_vsock: CID %u\n", xvsock_local_cid());
	return 0;

unregister_link:
	xvsock_link_unregister();
unregister_transport:
	xvsock_transport_unregister();
destroy_control_wq:
	destroy_workqueue(xvsock_control_wq);
destroy_wq:
	destroy_workqueue(xvsock_wq);
free_frames:
	xvsock_frames_exit();
	xvsock_foreign_exit();
	xvsock_argo_exit();
	return err;
}

static void __exit xvsock_exit(void)
{
	/* No socket is ours any more; what is left of connections goes with the links. */
	xvsock_stat_unregister();
	xvsock_suspend_unregister();
	xvsock_link_unregister();
	xvsock_transport_unregister();
	/* While these run, events may queue others. */
	flush_workqueue(xvsock_wq);
	destroy_workqueue(xvsock_wq);
	destroy_workqueue(xvsock_control_wq);
	xvsock_frames_exit();
	xvsock_foreign_exit();
	xvsock_argo_exit();
}

module_init(xvsock_init);
module_exit(xvsock_exit);

MODULE_DESCRIPTION("AF_VSOCK between Xen domains over shared memory");
MODULE_AUTHOR("xvsock developers");
MODULE_LICENSE("GPL");
