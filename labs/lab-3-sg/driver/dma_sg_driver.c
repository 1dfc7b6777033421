// SPDX-License-Identifier: GPL-2.0
/*
 * Lab 3: scatter/gather, a copy between any two places of a program's memory
 *
 * The data path:
 *
 *	pages of the source -> DMA engine -> pages of the destination
 *
 * A program's buffer is contiguous for the program alone. Its pages are pinned
 * where they are, and each end becomes a table of segments that are contiguous
 * for the engine. This controller copies one contiguous piece at a time, so the
 * two tables are laid over each other, and each piece that is contiguous at both
 * ends is a descriptor:
 *
 *	source         |--------|-----|-----------|
 *	destination    |---|--------------|-------|
 *	pieces         |---|----|-----|---|-------|
 *
 * All are queued, and waited for once. A large copy goes window by window, so
 * that no more than a window is pinned, mapped and described at a time.
 */

#include <linux/completion.h>
#include <linux/device.h>
#include <linux/dma-mapping.h>
#include <linux/dmaengine.h>
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/highmem.h>
#include <linux/jiffies.h>
#include <linux/math.h>
#include <linux/minmax.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/mod_devicetable.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/platform_device.h>
#include <linux/scatterlist.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include "dma_sg.h"

/* A window may begin in the middle of a page: one more than it has bytes for. */
#define DMA_SG_PAGES		(DMA_SG_WINDOW / PAGE_SIZE + 1)

/*
 * The engine is given whole 32-bit words. It takes any length by its data sheet,
 * but QEMU's model of it (7.2) never ends on one that is no multiple of four.
 */
#define DMA_SG_WORD		sizeof(u32)

static unsigned int timeout_ms = 1000;
module_param(timeout_ms, uint, 0644);
MODULE_PARM_DESC(timeout_ms, "longest wait for one window, in ms (default 1000)");

/**
 * struct dma_sg - the device
 * @misc: the character device, /dev/dma_sg
 * @dev: the platform device, for messages
 * @chan: the DMA channel, held from probe to removal
 * @lock: one window at a time: terminating it would end all of the channel
 */
struct dma_sg {
	struct miscdevice misc;
	struct device *dev;
	struct dma_chan *chan;
	struct mutex lock;	/* one window at a time */
};

/**
 * struct dma_sg_end - one end of a window, source or destination
 * @dir: which of the two, as the DMA API says it
 * @offset: where the window begins in the first page
 * @n_pages: pages that are pinned
 * @table: what the engine gets of them, valid while mapped
 * @pages: the pages, @n_pages of them
 */
struct dma_sg_end {
	enum dma_data_direction dir;
	unsigned int offset;
	int n_pages;
	struct sg_table table;
	struct page *pages[DMA_SG_PAGES];
};

/**
 * struct dma_sg_window - the part of a copy that is at work
 * @sg: the device
 * @copy: what was asked, and the report
 * @src: the source
 * @dst: the destination
 * @len: bytes in the window: first @head by the CPU, then @dma_len by the
 *	engine, the rest by the CPU
 * @head: bytes before the destination's first whole cache line
 * @dma_len: bytes in the destination's whole cache lines
 * @descriptors: how many were queued
 * @pending: descriptors that have not called back
 * @failed: the engine has told an error of one of them
 * @done: completed by the last of them
 */
struct dma_sg_window {
	struct dma_sg *sg;
	struct dma_sg_copy *copy;
	struct dma_sg_end src;
	struct dma_sg_end dst;
	size_t len;
	size_t head;
	size_t dma_len;
	unsigned int descriptors;
	unsigned int pending;
	bool failed;
	struct completion done;
};

/* Where we are in a table, as the engine sees it. */
struct dma_sg_cursor {
	struct scatterlist *sg;
	size_t used;		/* bytes of *sg that are behind us */
};

static struct dma_sg *to_dma_sg(struct file *file)
{
	return container_of(file->private_data, struct dma_sg, misc);
}

/*
 * TODO step 3, pin: Pin the pages that the len bytes from addr on lie in. Where
 * they begin in the first goes to end->offset, how many pages there are to
 * end->n_pages, the pages to end->pages. The engine writes to the pages of one
 * end only: end->dir says which way the data goes. When fewer are pinned than
 * there are, none stays pinned: -EINTR if a signal kills the program, the error
 * of pinning if there is one, else -EFAULT.
 *
 * See offset_in_page(), DIV_ROUND_UP(), pin_user_pages_fast(), FOLL_WRITE,
 * unpin_user_pages().
 * Chapter: Lab 3, pinning.
 */
static int dma_sg_pin(struct dma_sg_end *end, unsigned long addr, size_t len)
{
	return -EOPNOTSUPP;
}

/* End of step 3, pin. */

/*
 * TODO step 3, unpin: Unpin the pages. Of those that the engine wrote to the
 * kernel does not know it: say so.
 *
 * See unpin_user_pages_dirty_lock().
 * Chapter: Lab 3, pinning.
 */
static void dma_sg_unpin(struct dma_sg_end *end)
{
}

/* End of step 3, unpin. */

/*
 * TODO step 7, divide: Say which bytes of the window the engine gets: w->head
 * bytes from its beginning on are the CPU's, then w->dma_len are the engine's,
 * the rest is the CPU's again. The engine gets none but whole cache lines of
 * the destination, and whole words; either may be 0.
 *
 * See dma_get_cache_alignment(), round_down().
 * Chapter: Lab 3, the CPU's part.
 */
static void dma_sg_divide(struct dma_sg_window *w)
{
	w->head = 0;
	w->dma_len = round_down(w->len, DMA_SG_WORD);
}

/* End of step 7, divide. */

/*
 * TODO step 4, map: Make a table, end->table, of the w->dma_len bytes from
 * w->head on in this end, and map it in the direction end->dir, for the device
 * that moves the data. They begin at end->offset + w->head, counted from the
 * first byte of the first page. Pages that lie side by side are one segment, no
 * longer than either limit of that device. When mapping fails, nothing is left.
 *
 * See sg_alloc_table_from_pages_segment(), dma_get_max_seg_size(),
 * dma_max_mapping_size(), dma_map_sgtable(), DMA_ATTR_NO_WARN.
 * Chapter: Lab 3, a table of segments.
 */
static int dma_sg_map(struct dma_sg_window *w, struct dma_sg_end *end)
{
	return -EOPNOTSUPP;
}

/* End of step 4, map. */

/*
 * TODO step 4, unmap: Undo what dma_sg_map() did: the same device and
 * direction.
 *
 * See dma_unmap_sgtable(), sg_free_table().
 * Chapter: Lab 3, a table of segments.
 */
static void dma_sg_unmap(struct dma_sg_window *w, struct dma_sg_end *end)
{
}

/* End of step 4, unmap. */

/*
 * TODO step 5, submit: Describe the transfer of len bytes from where src stands
 * to where dst stands: in the segment *src->sg, as the engine sees it,
 * src->used bytes are behind it. Give it a callback_result, which gets w and
 * that transfer's result: it sets w->failed if that is an error, counts
 * w->pending down, and completes w->done with the last. Queue it, and return
 * the cookie. No descriptor is -ENOMEM.
 *
 * See sg_dma_address(), dmaengine_prep_dma_memcpy(), DMA_PREP_INTERRUPT,
 * dmaengine_submit(), struct dmaengine_result, DMA_TRANS_NOERROR.
 * Chapter: Lab 3, a descriptor a piece.
 */
static dma_cookie_t dma_sg_submit(struct dma_sg_window *w, const struct dma_sg_cursor *dst,
				  const struct dma_sg_cursor *src, size_t len)
{
	return -EOPNOTSUPP;
}

/* End of step 5, submit. */

/*
 * TODO step 5, intersect: Walk through both tables at once, w->dma_len bytes. A
 * piece ends where a segment does, at either end: dma_sg_submit() queues it. It
 * is a multiple of DMA_SG_WORD; a word that is cut by the end of a segment is
 * left out. Count the pieces in w->pending, and at the end in w->descriptors;
 * w->done must not be complete from the last time, nor w->failed be set. Return
 * the last cookie. When one cannot be queued, none may stay in the queue:
 * terminate the channel.
 *
 * See sg_dma_len(), sg_next(), round_down(), dma_submit_error(),
 * reinit_completion().
 * Chapter: Lab 3, a descriptor a piece.
 */
static dma_cookie_t dma_sg_queue(struct dma_sg_window *w)
{
	struct dma_sg_cursor src = { .sg = w->src.table.sgl };
	struct dma_sg_cursor dst = { .sg = w->dst.table.sgl };

	return dma_sg_submit(w, &dst, &src, 0);
}

/* End of step 5, intersect. */

/*
 * TODO step 9, give up: Nobody waits for the window any more. Stop the channel:
 * the engine must not write to pages that are soon somebody else's. If the last
 * transfer was complete all the same, that is a success: ask by its cookie. If
 * not, return why.
 *
 * See dmaengine_terminate_sync(), dma_async_is_tx_complete().
 * Chapter: Lab 3, when the engine does not answer.
 */
static int dma_sg_give_up(struct dma_sg_window *w, dma_cookie_t cookie, int why)
{
	dmaengine_terminate_sync(w->sg->chan);
	return -EOPNOTSUPP;
}

/* End of step 9, give up. */

/*
 * TODO step 6, wait: Start what is queued, once for all, and wait for w->done:
 * no longer than timeout_ms, and not past a signal that kills. 0 when it came;
 * otherwise let dma_sg_give_up() decide, with -ETIMEDOUT or what the wait
 * returned.
 *
 * See dma_async_issue_pending(), wait_for_completion_killable_timeout(),
 * msecs_to_jiffies().
 * Chapter: Lab 3, waiting for the last.
 */
static int dma_sg_wait(struct dma_sg_window *w, dma_cookie_t cookie)
{
	return dma_sg_give_up(w, cookie, -EOPNOTSUPP);
}

/* End of step 6, wait. */

/* Both tables are mapped. */
static int dma_sg_run(struct dma_sg_window *w)
{
	struct device *dev = w->sg->dev;
	dma_cookie_t cookie;
	int ret;

	cookie = dma_sg_queue(w);
	ret = dma_submit_error(cookie);
	if (!ret) {
		dev_dbg(dev, "submitted %u descriptors on %s, last cookie %d\n",
			w->pending, dma_chan_name(w->sg->chan), cookie);
		ret = dma_sg_wait(w, cookie);
		if (!ret && w->failed)
			ret = -EREMOTEIO;
		dev_dbg(dev, "cookie %d ended with %d\n", cookie, ret);
	}
	return ret;
}

/*
 * The pins are held while we wait for our turn: all that is left to do then is
 * quick, and no fault of the program's can make others wait.
 */
static int dma_sg_transfer(struct dma_sg_window *w)
{
	int ret;

	if (mutex_lock_killable(&w->sg->lock))
		return -ERESTARTSYS;

	ret = dma_sg_map(w, &w->src);
	if (ret)
		goto unlock;
	ret = dma_sg_map(w, &w->dst);
	if (ret)
		goto unmap_src;

	ret = dma_sg_run(w);
	if (!ret) {
		w->copy->segments += w->src.table.nents + w->dst.table.nents;
		w->copy->descriptors += w->descriptors;
	}

	dma_sg_unmap(w, &w->dst);
unmap_src:
	dma_sg_unmap(w, &w->src);
unlock:
	mutex_unlock(&w->sg->lock);
	return ret;
}

/*
 * TODO step 7, copy rest: Copy by the CPU what the engine did not get: the
 * first w->head bytes, those behind the engine's, and the words that
 * dma_sg_queue() left out: each is in the source cut by the end of a page. A
 * piece of the CPU's may go over the end of a page, at both ends. Count the
 * bytes in w->copy->cpu_bytes.
 *
 * See memcpy_page(), flush_dcache_page(), min3().
 * Chapter: Lab 3, the CPU's part.
 */
static void dma_sg_copy_rest(struct dma_sg_window *w)
{
}

/* End of step 7, copy rest. */

/* One window, from pinning to unpinning. */
static int dma_sg_copy_window(struct dma_sg_window *w, unsigned long dst, unsigned long src)
{
	int ret;

	ret = dma_sg_pin(&w->src, src, w->len);
	if (ret)
		return ret;
	ret = dma_sg_pin(&w->dst, dst, w->len);
	if (ret)
		goto unpin_src;

	dev_dbg(w->sg->dev, "virtual %#lx to %#lx, %zu bytes, %d and %d pages\n",
		src, dst, w->len, w->src.n_pages, w->dst.n_pages);
	dma_sg_divide(w);
	if (w->dma_len)
		ret = dma_sg_transfer(w);
	if (!ret) {
		dma_sg_copy_rest(w);
		w->copy->pages += w->src.n_pages + w->dst.n_pages;
		w->copy->copied += w->len;
	}

	dma_sg_unpin(&w->dst);
unpin_src:
	dma_sg_unpin(&w->src);
	return ret;
}

/*
 * TODO step 8, windows: Copy all of it, w->len bytes at a time:
 * dma_sg_copy_window() counts in w->copy->copied what is done. A window ends
 * where the destination's address is a multiple of DMA_SG_WINDOW. When one
 * fails with -EIO, there is too little room for bounce buffers: try half the
 * size, and so on. End at any other error; and before a window with -EINTR,
 * when a signal kills the program.
 *
 * See fatal_signal_pending(), DMA_SG_WINDOW.
 * Chapter: Lab 3, windows.
 */
static int dma_sg_copy_windows(struct dma_sg_window *w)
{
	w->len = min_t(u64, w->copy->len, DMA_SG_WINDOW);
	return dma_sg_copy_window(w, w->copy->dst, w->copy->src);
}

/* End of step 8, windows. */

static int dma_sg_copy(struct dma_sg *sg, struct dma_sg_copy *copy)
{
	struct dma_sg_window *w;
	int ret;

	w = kvzalloc(sizeof(*w), GFP_KERNEL);
	if (!w)
		return -ENOMEM;

	w->sg = sg;
	w->copy = copy;
	w->src.dir = DMA_TO_DEVICE;
	w->dst.dir = DMA_FROM_DEVICE;
	init_completion(&w->done);
	ret = dma_sg_copy_windows(w);
	kvfree(w);

	/* The machine's fault, and not the program's. */
	if (ret == -ETIMEDOUT || ret == -EREMOTEIO || ret == -EIO)
		dev_err_ratelimited(sg->dev, "copy of %llu bytes ended after %llu: %d\n",
				    copy->len, copy->copied, ret);
	return ret;
}

/*
 * TODO step 2, check: Return 0 for a copy that can be tried. A length of 0 and
 * any flag are -EINVAL. A range that is not user space from its first byte to
 * its last is -EFAULT: a sum can wrap. Two ranges that share a byte are
 * -EINVAL, whatever tag is in the top byte of an address.
 *
 * See access_ok(), u64_to_user_ptr(), untagged_addr().
 * Chapter: Lab 3, what the program asks for.
 */
static int dma_sg_check(const struct dma_sg_copy *copy)
{
	return -EOPNOTSUPP;
}

/* End of step 2, check. */

static long dma_sg_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	/*
	 * TODO step 2, ioctl: Only DMA_SG_COPY is known, everything else is
	 * -ENOTTY. Take the structure from the program (-EFAULT), zero all that
	 * the driver sets, from @copied on, and have it checked by
	 * dma_sg_check() and copied by dma_sg_copy(). The program gets the
	 * structure back in any case; what those two returned is returned.
	 *
	 * See copy_from_user(), memset_startat(), copy_to_user().
	 * Chapter: Lab 3, what the program asks for.
	 */
	struct dma_sg_copy copy = { };
	int ret = dma_sg_check(&copy);

	return ret ? ret : dma_sg_copy(to_dma_sg(file), &copy);
	/* End of step 2, ioctl. */
}

static const struct file_operations dma_sg_fops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = dma_sg_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
};

/*
 * TODO step 1, channel: As in lab 1: ask for any channel that can copy memory
 * (DMA_MEMCPY), put it into sg->chan, and have it given back, terminated, when
 * the device goes.
 *
 * See dma_cap_zero(), dma_cap_set(), dma_request_chan_by_mask(),
 * devm_add_action_or_reset().
 * Chapter: Lab 3, the driver and its channel.
 */
static int dma_sg_request_chan(struct dma_sg *sg)
{
	return 0;
}

/* End of step 1, channel. */

/*
 * TODO step 1, register: As in lab 1: make the character device /dev/dma_sg,
 * and have it go with the device.
 *
 * See struct miscdevice, MISC_DYNAMIC_MINOR, misc_register(),
 * devm_add_action_or_reset().
 * Chapter: Lab 3, the driver and its channel.
 */
static int dma_sg_register(struct dma_sg *sg)
{
	sg->misc.fops = &dma_sg_fops;
	return 0;
}

/* End of step 1, register. */

/* The device node comes last: from then on somebody may ask for a copy. */
static int dma_sg_probe(struct platform_device *pdev)
{
	struct dma_sg *sg;
	int ret;

	sg = devm_kzalloc(&pdev->dev, sizeof(*sg), GFP_KERNEL);
	if (!sg)
		return -ENOMEM;

	sg->dev = &pdev->dev;
	mutex_init(&sg->lock);
	ret = dma_sg_request_chan(sg);
	if (ret)
		return ret;
	return dma_sg_register(sg);
}

static const struct of_device_id dma_sg_of_match[] = {
	{ .compatible = "dma-labs,dma-sg" },
	{ }
};
MODULE_DEVICE_TABLE(of, dma_sg_of_match);

/*
 * An open file keeps the module, but not the device: so unbinding through sysfs
 * is switched off. Removing the overlay at run time has the same effect and is
 * not prevented: do not, while a file is open.
 */
static struct platform_driver dma_sg_driver = {
	.probe = dma_sg_probe,
	.driver = {
		.name = "dma_sg",
		.of_match_table = dma_sg_of_match,
		.suppress_bind_attrs = true,
	},
};
module_platform_driver(dma_sg_driver);

MODULE_DESCRIPTION("Lab 3: scatter/gather copy of user memory with the DMA engine");
MODULE_LICENSE("GPL");
