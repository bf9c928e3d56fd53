// SPDX-License-Identifier: GPL-2.0-only
#include <linux/bitmap.h>
#include <linux/bsearch.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/sort.h>
#include <xen/grant_table.h>

#include "foreign.h"
#include "protocol.h"

/* Two of the largest rings: 2 MiB of addresses, and 4 KiB that say what is in use. */
#define CHUNK_PAGES 512

static_assert(CHUNK_PAGES >= 2u << (XVSOCK_LARGE_ORDER_MAX - PAGE_SHIFT));

struct foreign_chunk {
	struct list_head node; /* in `chunks` */
	DECLARE_BITMAP(used, CHUNK_PAGES);
	struct page *pages[CHUNK_PAGES]; /* by address */
};

static DEFINE_MUTEX(foreign_lock); /* protects all of this */
static LIST_HEAD(chunks);

static int pages_by_address(const void *left, const void *right)
{
	const struct page *a = *(struct page *const *)left, *b = *(struct page *const *)right;

	return a < b ? -1 : a > b;
}

static struct foreign_chunk *chunk_create(void)
{
	struct foreign_chunk *chunk;

	lockdep_assert_held(&foreign_lock);
	chunk = kvzalloc(sizeof(*chunk), GFP_KERNEL);
	if (!chunk)
		return NULL;
	if (gnttab_alloc_pages(CHUNK_PAGES, chunk->pages)) {
		kvfree(chunk);
		return NULL;
	}
	/* They often come from one block, in any order. */
	sort(chunk->pages, CHUNK_PAGES, sizeof(chunk->pages[0]), pages_by_address, NULL);
	list_add_tail(&chunk->node, &chunks);
	return chunk;
}

static void chunk_free(struct foreign_chunk *chunk)
{
	list_del(&chunk->node);
	gnttab_free_pages(CHUNK_PAGES, chunk->pages);
	kvfree(chunk);
}

/* The first free frames of the chunk that are aligned to their number, or false. */
static bool chunk_take(struct foreign_chunk *chunk, struct page **pages, unsigned int count)
{
	unsigned long first = bitmap_find_next_zero_area(chunk->used, CHUNK_PAGES, 0, count,
							 count - 1);

	if (first >= CHUNK_PAGES)
		return false;
	bitmap_set(chunk->used, first, count);
	memcpy(pages, chunk->pages + first, count * sizeof(*pages));
	return true;
}

int xvsock_foreign_alloc(struct page **pages, unsigned int count)
{
	struct foreign_chunk *chunk;
	bool taken = false;

	mutex_lock(&foreign_lock);
	/* The oldest first, so that the latest become empty. */
	list_for_each_entry(chunk, &chunks, node) {
		taken = chunk_take(chunk, pages, count);
		if (taken)
			break;
	}
	if (!taken) {
		chunk = chunk_create();
		taken = chunk && chunk_take(chunk, pages, count);
	}
	mutex_unlock(&foreign_lock);
	return taken ? 0 : -ENOMEM;
}

/* Marks the frame as free, if it is the chunk's. */
static bool chunk_put(struct foreign_chunk *chunk, struct page *page)
{
	struct page **found = bsearch(&page, chunk->pages, CHUNK_PAGES, sizeof(chunk->pages[0]),
				      pages_by_address);

	if (found)
		WARN_ON_ONCE(!__test_and_clear_bit(found - chunk->pages, chunk->used));
	return found;
}

void xvsock_foreign_free(struct page **pages, unsigned int count)
{
	struct foreign_chunk *chunk, *next;
	unsigned int i = 0;

	mutex_lock(&foreign_lock);
	list_for_each_entry_safe(chunk, next, &chunks, node) {
		/* All of a set are of one chunk. */
		while (i < count && chunk_put(chunk, pages[i]))
			i++;
		if (!i)
			continue;
		/* The first stays, so that the next connection finds it. */
		if (bitmap_empty(chunk->used, CHUNK_PAGES) &&
		    !list_is_first(&chunk->node, &chunks))
			chunk_free(chunk);
		break;
	}
	mutex_unlock(&foreign_lock);
	WARN_ON_ONCE(i < count);
}

void xvsock_foreign_prepare(void)
{
	mutex_lock(&foreign_lock);
	chunk_create();
	mutex_unlock(&foreign_lock);
}

void xvsock_foreign_exit(void)
{
	struct foreign_chunk *chunk, *next;

	mutex_lock(&foreign_lock);
	list_for_each_entry_safe(chunk, next, &chunks, node)
		if (bitmap_empty(chunk->used, CHUNK_PAGES))
			chunk_free(chunk);
	mutex_unlock(&foreign_lock);
}
