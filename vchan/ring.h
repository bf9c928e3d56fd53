/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * Index arithmetic of one vchan ring, safe against a hostile other side.
 *
 * Each side keeps its own index in private memory and only ever writes the
 * shared copy of it. The other side's index is read once per operation, if at
 * all, and checked against the private one; only the checked value is used.
 *
 * A writer keeps what it has so seen of the reader's index. That only ever grows,
 * so a writer who finds room enough in it leaves the cache line alone that the
 * reader keeps writing. A reader wants to know all that there is, and looks.
 *
 * Indices run freely modulo 2^32. For a writer, prod - cons is what is in the
 * ring; it may never exceed the ring's size. That one unsigned comparison
 * catches every index that the other side could make up.
 *
 * Barriers, writer against reader:
 *   writer: data, then store-release prod   | reader: load-acquire prod, then data
 *   reader: data, then store-release cons   | writer: load-acquire cons, then data
 * The first pair lets the reader see the bytes that prod announces; the second
 * keeps the writer from overwriting bytes that are still being read.
 *
 * A struct vchan_end belongs to one thread of control at a time.
 */
#ifndef VCHAN_RING_H
#define VCHAN_RING_H

#include "layout.h"

#define VCHAN_PART_MIN 4096u
#define VCHAN_PART_MAX 65536u

/* One side's view of one ring: as its writer or as its reader, never both. */
struct vchan_end {
	struct vchan_places at; /* peer-writable: see above */
	uint32_t index; /* ours: prod of a writer, cons of a reader */
	uint32_t seen; /* of a writer: cons, as last read and found possible */
	uint32_t size; /* bytes, a power of two */
};

/* A contiguous piece of a ring: byte offset from the ring's start, and bytes. */
struct vchan_span {
	uint32_t offset;
	uint32_t length;
};

/* Begins at index 0, as both sides of a new vchan do. */
static inline void vchan_end_init(struct vchan_end *end, struct vchan_places at,
				  uint32_t order)
{
	end->at = at;
	end->index = 0;
	end->seen = 0;
	end->size = 1u << order;
}

/*
 * Bytes that the writer may add. False when the reader's index is impossible;
 * *space is then 0.
 */
static inline bool vchan_writer_space(struct vchan_end *writer, uint32_t *space)
{
	/* pairs with the store-release in vchan_reader_advance() */
	uint32_t cons = vchan_load_acquire(writer->at.cons);
	uint32_t used = writer->index - cons;
	bool valid = used <= writer->size;

	if (valid)
		writer->seen = cons;
	*space = valid ? writer->size - used : 0;
	return valid;
}

/*
 * Bytes that the reader may take. False when the writer's index is impossible;
 * *avail is then 0.
 */
static inline bool vchan_reader_avail(const struct vchan_end *reader, uint32_t *avail)
{
	/* pairs with the store-release in vchan_writer_advance() */
	uint32_t filled = vchan_load_acquire(reader->at.prod) - reader->index;
	bool valid = filled <= reader->size;

	*avail = valid ? filled : 0;
	return valid;
}

/*
 * The same for who needs no more than `want`: when the index last seen has that,
 * the reader's is not read, and there may be more room than *space.
 */
static inline bool vchan_writer_space_for(struct vchan_end *writer, uint32_t want, uint32_t *space)
{
	*space = writer->size - (writer->index - writer->seen);
	return *space >= want || vchan_writer_space(writer, space);
}

/*
 * A long transfer is published in parts of this many bytes at the most, so that
 * two sides that both look copy at the same time, each the part that the other
 * does not: a quarter of the ring, within limits.
 */
static inline uint32_t vchan_part_bytes(const struct vchan_end *end)
{
	uint32_t part = end->size / 4;

	if (part < VCHAN_PART_MIN)
		return VCHAN_PART_MIN;
	return part < VCHAN_PART_MAX ? part : VCHAN_PART_MAX;
}

/* Publishes n bytes that were written; n is at most the space last seen. */
static inline void vchan_writer_advance(struct vchan_end *writer, uint32_t n)
{
	writer->index += n;
	vchan_store_release(writer->at.prod, writer->index);
}

/* Gives back n bytes that were read; n is at most what was last available. */
static inline void vchan_reader_advance(struct vchan_end *reader, uint32_t n)
{
	reader->index += n;
	vchan_store_release(reader->at.cons, reader->index);
}

/*
 * The first contiguous piece of at most `want` bytes, `ahead` bytes after the
 * end's index. `unit` is the size of the pieces in which the ring's memory is
 * mapped, a power of two: VCHAN_PAGE_SIZE for scattered pages, or the ring's
 * size for one mapping.
 */
static inline struct vchan_span vchan_span_at(const struct vchan_end *end, uint32_t ahead,
					      uint32_t want, uint32_t unit)
{
	struct vchan_span span;
	uint32_t room;

	span.offset = (end->index + ahead) & (end->size - 1);
	if (unit > end->size)
		unit = end->size;
	room = unit - (span.offset & (unit - 1));
	span.length = want < room ? want : room;
	return span;
}

#endif /* VCHAN_RING_H */
