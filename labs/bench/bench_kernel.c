// SPDX-License-Identifier: GPL-2.0
/*
 * bench_kernel: what each part of a copy costs, in the kernel
 *
 * Writing "BYTES" to its parameter run copies as many, again and again, and reading it
 * gives a line "NAME NANOSECONDS" for each part: the least that it took. They are
 * instructions where QEMU counts them.
 *
 *	memcpy		by the CPU, for comparison
 *	map-to		dma_map_single() and dma_unmap_single() of the source
 *	map-from	the same of the destination
 *	submit		a descriptor is prepared and queued
 *	issue		the engine is started
 *	interrupt	it is told of the end, and the callback runs
 *
 * It has a channel of its own. The last part is only right where the engine is done before
 * the CPU takes its next instruction, and one CPU is up: in QEMU.
 */

#include <linux/completion.h>
#include <linux/dma-mapping.h>
#include <linux/dmaengine.h>
#include <linux/err.h>
#include <linux/gfp.h>
#include <linux/irqflags.h>
#include <linux/kernel.h>
#include <linux/ktime.h>
#include <linux/minmax.h>
#include <linux/module.h>
#include <linux/sizes.h>
#include <linux/string.h>

#define ROUNDS		32

enum part { MEMCPY, MAP_TO, MAP_FROM, SUBMIT, ISSUE, INTERRUPT, PARTS };

static const char * const names[PARTS] = {
	[MEMCPY] = "memcpy", [MAP_TO] = "map-to", [MAP_FROM] = "map-from",
	[SUBMIT] = "submit", [ISSUE] = "issue", [INTERRUPT] = "interrupt",
};

static struct dma_chan *chan;
static void *from, *to;
static DECLARE_COMPLETION(done);
static u64 least[PARTS];

static void ended(void *data)
{
	complete(data);
}

/* took: as much has gone by since. */
static void took(enum part part, u64 began)
{
	least[part] = min(least[part], ktime_get_ns() - began);
}

static dma_cookie_t submit(dma_addr_t dst, dma_addr_t src, size_t len)
{
	struct dma_async_tx_descriptor *desc;

	desc = dmaengine_prep_dma_memcpy(chan, dst, src, len, DMA_PREP_INTERRUPT | DMA_CTRL_ACK);
	if (!desc)
		return -ENOMEM;
	desc->callback = ended;
	desc->callback_param = &done;
	reinit_completion(&done);
	return dmaengine_submit(desc);
}

/* With its interrupts off the CPU is told of the end when they are on again. */
static int transfer(dma_addr_t dst, dma_addr_t src, size_t len)
{
	unsigned long flags;
	dma_cookie_t cookie;
	u64 began = ktime_get_ns();

	cookie = submit(dst, src, len);
	took(SUBMIT, began);
	if (dma_submit_error(cookie))
		return cookie;

	local_irq_save(flags);
	began = ktime_get_ns();
	dma_async_issue_pending(chan);
	took(ISSUE, began);
	began = ktime_get_ns();
	local_irq_restore(flags);
	took(INTERRUPT, began);

	if (wait_for_completion_timeout(&done, HZ))
		return 0;
	dmaengine_terminate_sync(chan);
	return -ETIMEDOUT;
}

/* cached: maps and unmaps, which is maintenance of the caches and little else. */
static int cached(struct device *dev, void *buf, size_t len, enum dma_data_direction direction,
		  enum part part)
{
	u64 began = ktime_get_ns();
	dma_addr_t bus = dma_map_single(dev, buf, len, direction);

	if (dma_mapping_error(dev, bus))
		return -ENOMEM;
	dma_unmap_single(dev, bus, len, direction);
	took(part, began);
	return 0;
}

static int mapped_transfer(struct device *dev, size_t len)
{
	dma_addr_t src, dst;
	int ret = -ENOMEM;

	src = dma_map_single(dev, from, len, DMA_TO_DEVICE);
	if (dma_mapping_error(dev, src))
		return ret;
	dst = dma_map_single(dev, to, len, DMA_FROM_DEVICE);
	if (!dma_mapping_error(dev, dst)) {
		ret = transfer(dst, src, len);
		dma_unmap_single(dev, dst, len, DMA_FROM_DEVICE);
	}
	dma_unmap_single(dev, src, len, DMA_TO_DEVICE);
	return ret;
}

static int one_round(size_t len)
{
	struct device *dev = dmaengine_get_dma_device(chan);
	u64 began = ktime_get_ns();
	int ret;

	memcpy(to, from, len);
	took(MEMCPY, began);
	ret = cached(dev, from, len, DMA_TO_DEVICE, MAP_TO);
	if (!ret)
		ret = cached(dev, to, len, DMA_FROM_DEVICE, MAP_FROM);
	if (!ret)
		ret = mapped_transfer(dev, len);
	return ret;
}

static int run_set(const char *value, const struct kernel_param *param)
{
	unsigned long len;
	int i, ret = kstrtoul(value, 0, &len);

	if (ret)
		return ret;
	if (!len || len > SZ_4M || len % sizeof(u32))
		return -EINVAL;
	memset(least, 0xff, sizeof(least));
	for (i = 0; i < ROUNDS && !ret; i++)
		ret = one_round(len);
	return ret;
}

static int run_get(char *text, const struct kernel_param *param)
{
	enum part part;
	int n = 0;

	for (part = 0; part < PARTS; part++)
		n += sysfs_emit_at(text, n, "%s %llu\n", names[part], least[part]);
	return n;
}

static const struct kernel_param_ops run_ops = { .set = run_set, .get = run_get };
module_param_cb(run, &run_ops, NULL, 0600);
MODULE_PARM_DESC(run, "write: the bytes to copy; read: what each part costs");

static int __init bench_init(void)
{
	dma_cap_mask_t mask;

	from = (void *)__get_free_pages(GFP_KERNEL | __GFP_ZERO, get_order(SZ_4M));
	to = (void *)__get_free_pages(GFP_KERNEL | __GFP_ZERO, get_order(SZ_4M));
	dma_cap_zero(mask);
	dma_cap_set(DMA_MEMCPY, mask);
	chan = dma_request_chan_by_mask(&mask);
	if (from && to && !IS_ERR(chan))
		return 0;

	if (!IS_ERR(chan))
		dma_release_channel(chan);
	free_pages((unsigned long)to, get_order(SZ_4M));
	free_pages((unsigned long)from, get_order(SZ_4M));
	return IS_ERR(chan) ? PTR_ERR(chan) : -ENOMEM;
}
module_init(bench_init);

static void __exit bench_exit(void)
{
	dma_release_channel(chan);
	free_pages((unsigned long)to, get_order(SZ_4M));
	free_pages((unsigned long)from, get_order(SZ_4M));
}
module_exit(bench_exit);

MODULE_DESCRIPTION("What each part of a copy by DMA costs");
MODULE_LICENSE("GPL");
