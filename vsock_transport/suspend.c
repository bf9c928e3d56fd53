// SPDX-License-Identifier: GPL-2.0-only
/*
 * Saving and restoring the domain. The kernel calls devices before and after,
 * frontends through xenbus, backends in guests not at all; so one device that
 * stands for the module is called for all links. Xenstore works in both calls.
 *
 * A restored domain is a new one, with another domid, and dom0 has to make its links
 * again. Its CID is another one, too, unless dom0 had given it: that stays, so that
 * services find it until the links say it again, or another one. A domain that goes on
 * after all, or after a checkpoint, finds its links where they were.
 */
#include <linux/module.h>
#include <linux/platform_device.h>
#include <linux/vm_sockets.h>
#include <xen/xen.h>
#include <xen/xenbus.h>

#include "link.h"
#include "peer.h"
#include "suspend.h"

static struct platform_device *suspend_device;
static bool restored; /* and the links of before are still there */
static domid_t own_domid;

/*
 * Every watch is told once when a restored domain has its xenstore back. The
 * thread that calls it is the one that saves and restores, so by then it is
 * through with that, and devices may be removed.
 */
static void suspend_renew(struct xenbus_watch *watch, const char *path, const char *token)
{
	if (xchg(&restored, false))
		xvsock_link_renew();
}

static struct xenbus_watch renew_watch = {
	.node = "domid",
	.callback = suspend_renew,
};

int xvsock_find_local_cid(void)
{
	unsigned int domid;

	if (xen_initial_domain()) {
		xvsock_peer_default_own_cid(VMADDR_CID_HOST);
		return 0;
	}
	if (xenbus_scanf(XBT_NIL, "domid", "", "%u", &domid) != 1 ||
	    domid >= DOMID_FIRST_RESERVED) {
		pr_err("xen_vsock: cannot read this domain's domid from xenstore\n");
		return -ENODEV;
	}
	WRITE_ONCE(own_domid, domid);
	xvsock_peer_default_own_cid(xvsock_cid_of(domid));
	return 0;
}

domid_t xvsock_own_domid(void)
{
	return READ_ONCE(own_domid);
}

static int suspend_freeze(struct device *dev)
{
	xvsock_link_suspend();
	return 0;
}

static int suspend_thaw(struct device *dev)
{
	xvsock_link_resume();
	return 0;
}

static int suspend_restore(struct device *dev)
{
	xvsock_find_local_cid();
	WRITE_ONCE(restored, true);
	return 0;
}

static const struct dev_pm_ops suspend_ops = {
	.freeze = suspend_freeze,
	.thaw = suspend_thaw,
	.restore = suspend_restore,
};

static struct platform_driver suspend_driver = {
	.driver = {
		.name = "xen_vsock",
		.pm = &suspend_ops,
	},
};

int xvsock_suspend_register(void)
{
	int err = platform_driver_register(&suspend_driver);

	if (err)
		return err;
	suspend_device = platform_device_register_simple("xen_vsock", PLATFORM_DEVID_NONE, NULL, 0);
	if (IS_ERR(suspend_device)) {
		err = PTR_ERR(suspend_device);
		goto unregister_driver;
	}
	err = register_xenbus_watch(&renew_watch);
	if (err)
		goto unregister_device;
	return 0;

unregister_device:
	platform_device_unregister(suspend_device);
unregister_driver:
	platform_driver_unregister(&suspend_driver);
	return err;
}

void xvsock_suspend_unregister(void)
{
	unregister_xenbus_watch(&renew_watch);
	platform_device_unregister(suspend_device);
	platform_driver_unregister(&suspend_driver);
}
