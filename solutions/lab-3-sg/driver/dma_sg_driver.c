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
 * Step 3, pin: a pinned page stays where it is until it is unpinned, whatever the
 * program does. Asking to write breaks copy-on-write now, and fails on memory that
 * is read-only. No FOLL_LONGTERM: the pin ends with the window. Less than all pages
 * is a hole in the range, or a signal that kills.
 */
static int dma_sg_pin(struct dma_sg_end *end, unsigned long addr, size_t len)
{
	unsigned int flags = end->dir == DMA_FROM_DEVICE ? FOLL_WRITE : 0;
	int pinned;

	end->offset = offset_in_page(addr);
	end->n_pages = DIV_ROUND_UP(end->offset + len, PAGE_SIZE);
	pinned = pin_user_pages_fast(addr, end->n_pages, flags, end->pages);
	if (pinned == end->n_pages)
		return 0;

	if (pinned > 0)
		unpin_user_pages(end->pages, pinned);
	if (fatal_signal_pending(current))
		return -EINTR;
	return pinned < 0 ? pinned : -EFAULT;
}

/* End of step 3, pin. */

/* Step 3, unpin: the destination alone was written behind the kernel's back: dirty. */
static void dma_sg_unpin(struct dma_sg_end *end)
{
	unpin_user_pages_dirty_lock(end->pages, end->n_pages, end->dir == DMA_FROM_DEVICE);
}

/* End of step 3, unpin. */

/*
 * Step 7, divide: bytes outside of the destination stay, even while somebody writes
 * to them. A cache line that is only in part the destination's would be lost to
 * one of the two writers, so the engine gets whole lines alone. For the source
 * this does not matter: it is only read.
 */
static void dma_sg_divide(struct dma_sg_window *w)
{
	size_t line = max_t(size_t, dma_get_cache_alignment(), DMA_SG_WORD);

	w->head = min_t(size_t, w->len, -w->dst.offset & (line - 1));
	w->dma_len = round_down(w->len - w->head, line);
}

/* End of step 7, divide. */

/*
 * Step 4, map: pages that follow each other in memory become one segment, as long
 * as the engine and, where mappings are bounced, the bounce buffers take it.
 */
static int dma_sg_map(struct dma_sg_window *w, struct dma_sg_end *end)
{
	struct device *dma_dev = dmaengine_get_dma_device(w->sg->chan);
	size_t max = min_t(size_t, dma_get_max_seg_size(dma_dev), dma_max_mapping_size(dma_dev));
	size_t start = end->offset + w->head;
	int n_pages = DIV_ROUND_UP(offset_in_page(start) + w->dma_len, PAGE_SIZE);
	int ret;

	ret = sg_alloc_table_from_pages_segment(&end->table, end->pages + start / PAGE_SIZE,
						n_pages, offset_in_page(start), w->dma_len,
						max, GFP_KERNEL);
	if (ret)
		return ret;

	ret = dma_map_sgtable(dma_dev, &end->table, end->dir, DMA_ATTR_NO_WARN);
	if (ret)
		sg_free_table(&end->table);
	return ret;
}

/* End of step 4, map. */

/* Step 4, unmap: the same device and direction as in dma_sg_map(). */
static void dma_sg_unmap(struct dma_sg_window *w, struct dma_sg_end *end)
{
	dma_unmap_sgtable(dmaengine_get_dma_device(w->sg->chan), &end->table, end->dir, 0);
	sg_free_table(&end->table);
}

/* End of step 4, unmap. */

/*
 * Step 5, submit: first the callback. It runs in a tasklet, once a descriptor and
 * never twice at a time: no lock. Of many, each tells its own result.
 */
static void dma_sg_callback(void *data, const struct dmaengine_result *result)
{
	struct dma_sg_window *w = data;

	if (result->result != DMA_TRANS_NOERROR)
		w->failed = true;
	if (!--w->pending)
		complete(&w->done);
}

/* Where the cursors stand, @len bytes are contiguous at both ends. */
static dma_cookie_t dma_sg_submit(struct dma_sg_window *w, const struct dma_sg_cursor *dst,
				  const struct dma_sg_cursor *src, size_t len)
{
	phys_addr_t src_phys = sg_phys(src->sg) + src->used;
	phys_addr_t dst_phys = sg_phys(dst->sg) + dst->used;
	dma_addr_t src_bus = sg_dma_address(src->sg) + src->used;
	dma_addr_t dst_bus = sg_dma_address(dst->sg) + dst->used;
	struct dma_async_tx_descriptor *desc;
	dma_cookie_t cookie;

	desc = dmaengine_prep_dma_memcpy(w->sg->chan, dst_bus, src_bus, len,
					 DMA_PREP_INTERRUPT | DMA_CTRL_ACK);
	if (!desc)
		return -ENOMEM;

	desc->callback_result = dma_sg_callback;
	desc->callback_param = w;
	cookie = dmaengine_submit(desc);
	dev_dbg(w->sg->dev, "cookie %d: physical %pap to %pap, bus %pad to %pad, %zu bytes\n",
		cookie, &src_phys, &dst_phys, &src_bus, &dst_bus, len);
	return cookie;
}

/* End of step 5, submit. */

/* Step 5, intersect: a cursor walks through each table, both by the same length. */
static size_t dma_sg_left(const struct dma_sg_cursor *at)
{
	return sg_dma_len(at->sg) - at->used;
}

static void dma_sg_advance(struct dma_sg_cursor *at, size_t len)
{
	at->used += len;
	while (at->sg && at->used >= sg_dma_len(at->sg)) {
		at->used -= sg_dma_len(at->sg);
		at->sg = sg_next(at->sg);
	}
}

/*
 * A piece is as long as both ends are contiguous, in whole words. A word that two
 * segments of the source share is skipped: the CPU copies it later. Nothing moves
 * yet, so nobody else counts @pending meanwhile. Returns the last cookie, or a
 * negative errno with nothing queued.
 */
static dma_cookie_t dma_sg_queue(struct dma_sg_window *w)
{
	struct dma_sg_cursor src = { .sg = w->src.table.sgl };
	struct dma_sg_cursor dst = { .sg = w->dst.table.sgl };
	dma_cookie_t cookie = 0;
	size_t pos, len;

	w->pending = 0;
	w->failed = false;
	reinit_completion(&w->done);
	for (pos = 0; pos < w->dma_len; pos += len) {
		len = round_down(min(dma_sg_left(&src), dma_sg_left(&dst)), DMA_SG_WORD);
		if (len) {
			cookie = dma_sg_submit(w, &dst, &src, len);
			if (dma_submit_error(cookie)) {
				dmaengine_terminate_sync(w->sg->chan);
				return cookie;
			}
			w->pending++;
		} else {
			len = DMA_SG_WORD;
		}
		dma_sg_advance(&src, len);
		dma_sg_advance(&dst, len);
	}
	w->descriptors = w->pending;
	return cookie;
}

/* End of step 5, intersect. */

/*
 * Step 9, give up: the wait ended early, and the engine may still be writing. So the
 * channel is stopped before anybody touches the memory, or frees the window. All
 * may also have ended just then: the last cookie has the last word.
 */
static int dma_sg_give_up(struct dma_sg_window *w, dma_cookie_t cookie, int why)
{
	struct dma_chan *chan = w->sg->chan;

	dmaengine_terminate_sync(chan);
	if (dma_async_is_tx_complete(chan, cookie, NULL, NULL) == DMA_COMPLETE)
		return 0;
	return why;
}

/* End of step 9, give up. */

/*
 * Step 6, wait: start what is queued and wait for all of it, no longer than
 * timeout_ms, and not past a fatal signal.
 */
static int dma_sg_wait(struct dma_sg_window *w, dma_cookie_t cookie)
{
	long left;

	dma_async_issue_pending(w->sg->chan);
	left = wait_for_completion_killable_timeout(&w->done, msecs_to_jiffies(timeout_ms));
	if (left > 0)
		return 0;
	return dma_sg_give_up(w, cookie, left ? left : -ETIMEDOUT);
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

/* Step 7, copy rest: by the CPU, @len bytes at @pos in the window, page by page. */
static void dma_sg_cpu_copy(struct dma_sg_window *w, size_t pos, size_t len)
{
	w->copy->cpu_bytes += len;
	while (len) {
		size_t src = w->src.offset + pos;
		size_t dst = w->dst.offset + pos;
		size_t n = min3(len, (size_t)(PAGE_SIZE - offset_in_page(src)),
				(size_t)(PAGE_SIZE - offset_in_page(dst)));

		memcpy_page(w->dst.pages[dst / PAGE_SIZE], offset_in_page(dst),
			    w->src.pages[src / PAGE_SIZE], offset_in_page(src), n);
		flush_dcache_page(w->dst.pages[dst / PAGE_SIZE]);
		pos += n;
		len -= n;
	}
}

/*
 * What the engine did not get: the ends, and the words that a page boundary of the
 * source cuts; those, too, that it got as two such pages are one segment. Only now,
 * after the unmapping, is the memory the CPU's.
 */
static void dma_sg_copy_rest(struct dma_sg_window *w)
{
	size_t tail = w->head + w->dma_len;
	size_t cut = PAGE_SIZE - offset_in_page(w->src.offset + w->head);

	dma_sg_cpu_copy(w, 0, w->head);
	dma_sg_cpu_copy(w, tail, w->len - tail);
	if (cut % DMA_SG_WORD)
		for (; cut < w->dma_len; cut += PAGE_SIZE)
			dma_sg_cpu_copy(w, w->head + round_down(cut, DMA_SG_WORD), DMA_SG_WORD);
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
 * Step 8, windows: they end where the destination's address is a multiple of their
 * size, so that no huge page is cut there. A machine that bounces mappings may have
 * no room for a whole window (EIO): then half of one is tried.
 */
static int dma_sg_copy_windows(struct dma_sg_window *w)
{
	struct dma_sg_copy *copy = w->copy;
	size_t most = DMA_SG_WINDOW;
	int ret;

	while (copy->copied < copy->len) {
		u64 dst = copy->dst + copy->copied;

		if (fatal_signal_pending(current))
			return -EINTR;
		w->len = min_t(u64, copy->len - copy->copied, most - (dst & (most - 1)));
		ret = dma_sg_copy_window(w, dst, copy->src + copy->copied);
		if (ret == -EIO && most > PAGE_SIZE)
			most /= 2;
		else if (ret)
			return ret;
	}
	return 0;
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

/* Step 2, check: in 64 bits an address may be larger than a 32-bit kernel's own. */
static bool dma_sg_range_ok(u64 addr, u64 len)
{
	return addr <= ULONG_MAX && len <= ULONG_MAX && access_ok(u64_to_user_ptr(addr), len);
}

/* An arm64 program may have put a tag into the top byte: that is no other place. */
static bool dma_sg_overlap(const struct dma_sg_copy *copy)
{
	u64 src = untagged_addr(copy->src);
	u64 dst = untagged_addr(copy->dst);

	return src < dst + copy->len && dst < src + copy->len;
}

static int dma_sg_check(const struct dma_sg_copy *copy)
{
	if (!copy->len || copy->flags)
		return -EINVAL;
	if (!dma_sg_range_ok(copy->src, copy->len) || !dma_sg_range_ok(copy->dst, copy->len))
		return -EFAULT;
	if (dma_sg_overlap(copy))
		return -EINVAL;
	return 0;
}

/* End of step 2, check. */

static long dma_sg_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	/* Step 2, ioctl: who failed is told how far it came, too: that matters then. */
	struct dma_sg_copy __user *ucopy = (void __user *)arg;
	struct dma_sg_copy copy;
	int ret;

	if (cmd != DMA_SG_COPY)
		return -ENOTTY;
	if (copy_from_user(&copy, ucopy, sizeof(copy)))
		return -EFAULT;

	memset_startat(&copy, 0, copied);
	ret = dma_sg_check(&copy);
	if (!ret)
		ret = dma_sg_copy(to_dma_sg(file), &copy);
	if (copy_to_user(ucopy, &copy, sizeof(copy)))
		return -EFAULT;
	return ret;
	/* End of step 2, ioctl. */
}

static const struct file_operations dma_sg_fops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = dma_sg_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
};

/*
 * Step 1, channel: first, how it is given back.
 *
 * Each wait has ended its transfers, but the last callback may still be running:
 * the channel is terminated and synchronised before it is given back.
 */
static void dma_sg_release_chan(void *data)
{
	struct dma_chan *chan = data;

	dmaengine_terminate_sync(chan);
	dma_release_channel(chan);
}

/* Any channel will do that can copy memory. */
static int dma_sg_request_chan(struct dma_sg *sg)
{
	dma_cap_mask_t mask;

	dma_cap_zero(mask);
	dma_cap_set(DMA_MEMCPY, mask);
	sg->chan = dma_request_chan_by_mask(&mask);
	if (IS_ERR(sg->chan))
		return dev_err_probe(sg->dev, PTR_ERR(sg->chan), "no DMA channel\n");

	return devm_add_action_or_reset(sg->dev, dma_sg_release_chan, sg->chan);
}

/* End of step 1, channel. */

/* Step 1, register: a misc device, and how it goes again. */
static void dma_sg_deregister(void *data)
{
	misc_deregister(data);
}

static int dma_sg_register(struct dma_sg *sg)
{
	int ret;

	sg->misc.minor = MISC_DYNAMIC_MINOR;
	sg->misc.name = "dma_sg";
	sg->misc.fops = &dma_sg_fops;
	sg->misc.parent = sg->dev;
	ret = misc_register(&sg->misc);
	if (ret)
		return dev_err_probe(sg->dev, ret, "no misc device\n");

	return devm_add_action_or_reset(sg->dev, dma_sg_deregister, &sg->misc);
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
