/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Sets of ports as dom0 writes them: "any", "none", or ports and ranges of ports
 * with commas between them, like "22,80,1000-2000".
 *
 * Freestanding, as message.h is, so that the very same code has units in userspace.
 */
#ifndef XVSOCK_PORTS_H
#define XVSOCK_PORTS_H

#include <vchan/platform.h>

#define XVSOCK_PORT_RANGES 256u

struct xvsock_port_range {
	uint32_t first;
	uint32_t last; /* belongs to it */
};

/* Sorted, and no two of them overlap. */
struct xvsock_ports {
	uint32_t count;
	struct xvsock_port_range ranges[XVSOCK_PORT_RANGES];
};

static inline bool xvsock_ports_have(const struct xvsock_ports *ports, uint32_t port)
{
	uint32_t low = 0, high = ports->count, middle;

	while (low < high) {
		middle = (low + high) / 2;
		if (port < ports->ranges[middle].first)
			high = middle;
		else if (port > ports->ranges[middle].last)
			low = middle + 1;
		else
			return true;
	}
	return false;
}

/* Keeps them sorted by where they begin. False when there are too many. */
static inline bool xvsock_ports_add(struct xvsock_ports *ports, struct xvsock_port_range range)
{
	uint32_t i = ports->count;

	if (i == XVSOCK_PORT_RANGES)
		return false;
	for (; i && ports->ranges[i - 1].first > range.first; i--)
		ports->ranges[i] = ports->ranges[i - 1];
	ports->ranges[i] = range;
	ports->count++;
	return true;
}

/* Makes one of those that overlap. */
static inline void xvsock_ports_merge(struct xvsock_ports *ports)
{
	uint32_t i, kept = 0;

	for (i = 0; i < ports->count; i++) {
		struct xvsock_port_range range = ports->ranges[i];
		struct xvsock_port_range *before = kept ? &ports->ranges[kept - 1] : NULL;

		if (!before || range.first > before->last)
			ports->ranges[kept++] = range;
		else if (range.last > before->last)
			before->last = range.last;
	}
	ports->count = kept;
}

/* Digits and nothing else, as far as they go. NULL, or what comes after them. */
static inline const char *xvsock_ports_number(const char *text, uint32_t *number)
{
	const char *at = text;
	uint64_t value = 0;

	for (; *at >= '0' && *at <= '9'; at++) {
		value = value * 10 + (uint32_t)(*at - '0');
		if (value > 0xffffffffu)
			return NULL;
	}
	*number = (uint32_t)value;
	return at == text ? NULL : at;
}

/*
 * Reads a set. NULL when it could be read; otherwise what is wrong, and *where is the
 * part of the text that it is about. The set is then empty.
 */
static inline const char *xvsock_ports_parse(struct xvsock_ports *ports, const char *text,
					     const char **where)
{
	struct xvsock_port_range range = { 0, 0xffffffffu };
	const char *at = text;

	ports->count = 0;
	if (!__builtin_strcmp(text, "none"))
		return NULL;
	if (!__builtin_strcmp(text, "any")) {
		xvsock_ports_add(ports, range);
		return NULL;
	}
	for (;;) {
		*where = at;
		at = xvsock_ports_number(at, &range.first);
		range.last = range.first;
		if (at && *at == '-')
			at = xvsock_ports_number(at + 1, &range.last);
		if (!at || (*at && *at != ',') || range.last < range.first) {
			ports->count = 0;
			return "no port and no range of ports";
		}
		if (!xvsock_ports_add(ports, range)) {
			ports->count = 0;
			return "one range too many";
		}
		if (!*at)
			break;
		at++;
	}
	xvsock_ports_merge(ports);
	return NULL;
}

#endif /* XVSOCK_PORTS_H */
