// SPDX-License-Identifier: GPL-2.0
/*
 * Wrong answer: lab 2 as the course first had it, written anew
 *
 * Do not learn from this file. It makes the kernel's calls in the order in which
 * the published driver made them, so that what it did to a Raspberry Pi can be
 * looked at, with all of its faults:
 *
 *  1. the bus address of the source is used as a page frame number (mmap)
 *  2. the wait for the engine has no bound, and no signal ends it (ioctl)
 *  3. the buffers are freed while they are mapped, at each ioctl once more
 *  4. the source is mapped once, in probe, and unmapped at each ioctl
 *  5. the destination, which the engine writes, is mapped DMA_TO_DEVICE
 *  6. buffers and completion are the device's: all who open it share them
 *
 * and mmap() gives the source whatever offset is asked for, each ioctl command
 * means the same, the mappings are the platform device's, and little is checked.
 *
 * For each of the six, a patch next to this folder has it alone.
 */

#include <linux/completion.h>
#include <linux/dma-mapping.h>
#include <linux/dmaengine.h>
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/mod_devicetable.h>
#include <linux/module.h>
#include <linux/platform_device.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "dma_mmap.h"

struct dma_mmap {
	struct miscdevice misc;
	struct device *dev;
	struct dma_chan *chan;
	struct completion done;		/* fault 6 */
	void *src_buf;
	void *dst_buf;
	dma_addr_t src;
};

static void dma_mmap_callback(void *data)
{
	struct dma_mmap *dmm = data;

	complete(&dmm->done);
}

static int dma_mmap_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct dma_mmap *dmm = container_of(file->private_data, struct dma_mmap, misc);

	return remap_pfn_range(vma, vma->vm_start, dmm->src >> PAGE_SHIFT,	/* fault 1 */
			       vma->vm_end - vma->vm_start, vma->vm_page_prot);
}

/* Whatever is asked for: one copy of all bytes. */
static long dma_mmap_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct dma_mmap *dmm = container_of(file->private_data, struct dma_mmap, misc);
	struct dma_async_tx_descriptor *desc;
	dma_addr_t dst;

	/* fault 5 */
	dst = dma_map_single(dmm->dev, dmm->dst_buf, DMA_MMAP_SIZE, DMA_TO_DEVICE);
	desc = dmaengine_prep_dma_memcpy(dmm->chan, dst, dmm->src, DMA_MMAP_SIZE,
					 DMA_PREP_INTERRUPT | DMA_CTRL_ACK);
	desc->callback = dma_mmap_callback;
	desc->callback_param = dmm;
	init_completion(&dmm->done);
	dmaengine_submit(desc);
	dma_async_issue_pending(dmm->chan);
	wait_for_completion(&dmm->done);	/* fault 2 */

	/* fault 4 */
	dma_unmap_single(dmm->dev, dmm->src, DMA_MMAP_SIZE, DMA_TO_DEVICE);
	dma_unmap_single(dmm->dev, dst, DMA_MMAP_SIZE, DMA_TO_DEVICE);
	if (memcmp(dmm->src_buf, dmm->dst_buf, DMA_MMAP_SIZE))
		dev_err(dmm->dev, "buffer copy failed\n");

	kfree(dmm->src_buf);	/* fault 3 */
	kfree(dmm->dst_buf);
	return 0;
}

static const struct file_operations dma_mmap_fops = {
	.owner = THIS_MODULE,
	.mmap = dma_mmap_mmap,
	.unlocked_ioctl = dma_mmap_ioctl,
};

static void dma_mmap_remove(void *data)
{
	struct dma_mmap *dmm = data;

	misc_deregister(&dmm->misc);
	dmaengine_terminate_sync(dmm->chan);
	dma_release_channel(dmm->chan);
}

static int dma_mmap_probe(struct platform_device *pdev)
{
	struct dma_mmap *dmm = devm_kzalloc(&pdev->dev, sizeof(*dmm), GFP_KERNEL);
	dma_cap_mask_t mask;

	dma_cap_zero(mask);
	dma_cap_set(DMA_MEMCPY, mask);
	dmm->dev = &pdev->dev;
	dmm->chan = dma_request_chan_by_mask(&mask);
	dmm->src_buf = kzalloc(DMA_MMAP_SIZE, GFP_KERNEL);
	dmm->dst_buf = kzalloc(DMA_MMAP_SIZE, GFP_KERNEL);
	/* fault 4 */
	dmm->src = dma_map_single(dmm->dev, dmm->src_buf, DMA_MMAP_SIZE, DMA_TO_DEVICE);
	dmm->misc.minor = MISC_DYNAMIC_MINOR;
	dmm->misc.name = "dma_mmap";
	dmm->misc.fops = &dma_mmap_fops;
	dmm->misc.parent = dmm->dev;
	if (misc_register(&dmm->misc))
		return -ENODEV;
	return devm_add_action(dmm->dev, dma_mmap_remove, dmm);
}

static const struct of_device_id dma_mmap_of_match[] = {
	{ .compatible = "dma-labs,dma-mmap" },
	{ }
};
MODULE_DEVICE_TABLE(of, dma_mmap_of_match);

static struct platform_driver dma_mmap_driver = {
	.probe = dma_mmap_probe,
	.driver = {
		.name = "dma_mmap",
		.of_match_table = dma_mmap_of_match,
	},
};
module_platform_driver(dma_mmap_driver);

MODULE_DESCRIPTION("Lab 2 as a wrong answer: the published driver's faults");
MODULE_LICENSE("GPL");
