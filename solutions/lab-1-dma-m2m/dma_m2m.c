// SPDX-License-Identifier: GPL-2.0
/*
 * Lab 1: memory-to-memory copy with a streaming DMA mapping
 *
 * The data path:
 *
 *	write() -> write_buf -> DMA engine -> read_buf -> read()
 *
 * The CPU copies at both ends only. Between the two buffers the DMA engine
 * does, and it knows nothing of virtual addresses or of the CPU's caches: both
 * buffers are mapped for it before a transfer, and unmapped after it.
 */

#include <linux/completion.h>
#include <linux/device.h>
#include <linux/dma-mapping.h>
#include <linux/dmaengine.h>
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/gfp.h>
#include <linux/io.h>
#include <linux/jiffies.h>
#include <linux/math.h>
#include <linux/minmax.h>
#include <linux/miscdevice.h>
#include <linux/mod_devicetable.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/platform_device.h>
#include <linux/sizes.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#define DMA_M2M_BUF_SIZE	SZ_64K

/*
 * The engine is given whole 32-bit words. It takes any length by its data sheet,
 * but QEMU's model of it (7.2) never ends on one that is no multiple of four.
 */
#define DMA_M2M_WORD		sizeof(u32)

static unsigned int timeout_ms = 1000;
module_param(timeout_ms, uint, 0644);
MODULE_PARM_DESC(timeout_ms, "longest wait for one transfer, in ms (default 1000)");

/**
 * struct dma_m2m - all that this driver knows
 * @misc: the character device, /dev/dma_m2m_misc_dev
 * @dev: the platform device, for messages
 * @chan: the DMA channel, held from probe to removal
 * @lock: one transfer at a time; guards the contents of both buffers, @src,
 *	@dst and @len
 * @done: completed by the engine's callback; lives as long as the channel
 * @write_buf: source of the transfer, filled by write()
 * @read_buf: destination of the transfer, given out by read()
 * @src: @write_buf as the engine sees it, valid during a transfer
 * @dst: @read_buf as the engine sees it, valid during a transfer
 * @len: valid bytes in @read_buf, 0 after a failed transfer
 */
struct dma_m2m {
	struct miscdevice misc;
	struct device *dev;
	struct dma_chan *chan;
	struct mutex lock;	/* one transfer at a time */
	struct completion done;
	void *write_buf;
	void *read_buf;
	dma_addr_t src;
	dma_addr_t dst;
	size_t len;
};

static struct dma_m2m *to_dma_m2m(struct file *file)
{
	return container_of(file->private_data, struct dma_m2m, misc);
}

/*
 * Step 4, map: this gives the buffers to the engine. It is the channel's device
 * that reads and writes the memory, so it is that device's view (its bus addresses,
 * its limits, whether it snoops the caches) that counts, not the view of the
 * platform device that this driver is bound to.
 */
static int dma_m2m_map(struct dma_m2m *m2m, size_t len)
{
	struct device *dma_dev = dmaengine_get_dma_device(m2m->chan);

	m2m->src = dma_map_single(dma_dev, m2m->write_buf, len, DMA_TO_DEVICE);
	if (dma_mapping_error(dma_dev, m2m->src))
		return -ENOMEM;

	m2m->dst = dma_map_single(dma_dev, m2m->read_buf, len, DMA_FROM_DEVICE);
	if (dma_mapping_error(dma_dev, m2m->dst)) {
		dma_unmap_single(dma_dev, m2m->src, len, DMA_TO_DEVICE);
		return -ENOMEM;
	}
	return 0;
}

/* End of step 4, map. */

/* The same two buffers have three addresses each. */
static void dma_m2m_tell(struct dma_m2m *m2m, size_t len)
{
	phys_addr_t src_phys = virt_to_phys(m2m->write_buf);
	phys_addr_t dst_phys = virt_to_phys(m2m->read_buf);

	dev_dbg(m2m->dev, "source: virtual %p, physical %pap, bus %pad, %zu bytes\n",
		m2m->write_buf, &src_phys, &m2m->src, len);
	dev_dbg(m2m->dev, "destination: virtual %p, physical %pap, bus %pad\n",
		m2m->read_buf, &dst_phys, &m2m->dst);
}

/* Step 7, unmap: the same device, lengths and directions as in dma_m2m_map(). */
static void dma_m2m_unmap(struct dma_m2m *m2m, size_t len)
{
	struct device *dma_dev = dmaengine_get_dma_device(m2m->chan);

	dma_unmap_single(dma_dev, m2m->dst, len, DMA_FROM_DEVICE);
	dma_unmap_single(dma_dev, m2m->src, len, DMA_TO_DEVICE);
}

/* End of step 7, unmap. */

/* Step 5, submit: the callback first. It runs in a tasklet: it must not sleep. */
static void dma_m2m_callback(void *data)
{
	struct dma_m2m *m2m = data;

	complete(&m2m->done);
}

/*
 * Describe the transfer and queue it. From dmaengine_submit() on the
 * descriptor belongs to the engine; the cookie, or a negative errno, is what we
 * keep. Nothing moves yet.
 */
static dma_cookie_t dma_m2m_submit(struct dma_m2m *m2m, size_t len)
{
	struct dma_async_tx_descriptor *desc;

	desc = dmaengine_prep_dma_memcpy(m2m->chan, m2m->dst, m2m->src, len,
					 DMA_PREP_INTERRUPT | DMA_CTRL_ACK);
	if (!desc)
		return -ENOMEM;

	desc->callback = dma_m2m_callback;
	desc->callback_param = m2m;
	reinit_completion(&m2m->done);
	return dmaengine_submit(desc);
}

/* End of step 5, submit. */

/*
 * Step 8, give up: the wait ended early, and the engine may still be writing. So
 * the channel is stopped before anybody touches the memory. The transfer may also
 * have ended just then: the cookie has the last word.
 */
static int dma_m2m_give_up(struct dma_m2m *m2m, dma_cookie_t cookie, int why)
{
	dmaengine_terminate_sync(m2m->chan);
	if (dma_async_is_tx_complete(m2m->chan, cookie, NULL, NULL) == DMA_COMPLETE)
		return 0;
	return why;
}

/* End of step 8, give up. */

/*
 * Step 6, wait: start what is queued and wait for it, no longer than timeout_ms,
 * and not past a fatal signal.
 */
static int dma_m2m_wait(struct dma_m2m *m2m, dma_cookie_t cookie)
{
	long left;

	dma_async_issue_pending(m2m->chan);
	left = wait_for_completion_killable_timeout(&m2m->done,
						    msecs_to_jiffies(timeout_ms));
	if (left > 0)
		return 0;
	return dma_m2m_give_up(m2m, cookie, left ? left : -ETIMEDOUT);
}

/* End of step 6, wait. */

/*
 * An engine that finds an error ends the transfer, too. The Pi's never says so; then it is
 * the comparison that tells.
 */
static bool dma_m2m_failed(struct dma_m2m *m2m, dma_cookie_t cookie)
{
	return dma_async_is_tx_complete(m2m->chan, cookie, NULL, NULL) == DMA_ERROR;
}

static int dma_m2m_transfer(struct dma_m2m *m2m, size_t len)
{
	dma_cookie_t cookie;
	int ret;

	ret = dma_m2m_map(m2m, len);
	if (ret)
		return ret;
	dma_m2m_tell(m2m, len);

	cookie = dma_m2m_submit(m2m, len);
	ret = dma_submit_error(cookie);
	if (!ret) {
		dev_dbg(m2m->dev, "submitted on %s, cookie %d\n",
			dma_chan_name(m2m->chan), cookie);
		ret = dma_m2m_wait(m2m, cookie);
		if (!ret && dma_m2m_failed(m2m, cookie))
			ret = -EIO;
		dev_dbg(m2m->dev, "cookie %d ended with %d\n", cookie, ret);
	}

	dma_m2m_unmap(m2m, len);
	return ret;
}

/* Step 7, compare: only now, after the unmapping, the CPU sees what the engine wrote. */
static int dma_m2m_compare(struct dma_m2m *m2m, size_t len)
{
	return memcmp(m2m->write_buf, m2m->read_buf, len) ? -EIO : 0;
}

/* End of step 7, compare. */

/* The buffers have room for the last word: their size is a multiple of it. */
static int dma_m2m_copy(struct dma_m2m *m2m, size_t len)
{
	int ret;

	ret = dma_m2m_transfer(m2m, round_up(len, DMA_M2M_WORD));
	if (!ret)
		ret = dma_m2m_compare(m2m, len);
	if (ret && ret != -ERESTARTSYS)
		dev_err_ratelimited(m2m->dev, "copy of %zu bytes failed: %d\n", len, ret);
	return ret;
}

static ssize_t dma_m2m_read(struct file *file, char __user *ubuf, size_t count,
			    loff_t *ppos)
{
	/* Step 7, read: what the last transfer copied, unless one is under way. */
	struct dma_m2m *m2m = to_dma_m2m(file);
	ssize_t ret;

	if (mutex_lock_killable(&m2m->lock))
		return -ERESTARTSYS;
	ret = simple_read_from_buffer(ubuf, count, ppos, m2m->read_buf, m2m->len);
	mutex_unlock(&m2m->lock);
	return ret;
	/* End of step 7, read. */
}

/*
 * Each write() is one transfer. What does not fit the buffer is left to the
 * caller's next write(): a short write, as from any other file. The copy is then
 * read from its start, through this file too. copy_from_user() may sleep for as
 * long as the caller's memory takes to come: whoever waits meanwhile can be killed.
 */
static ssize_t dma_m2m_write(struct file *file, const char __user *ubuf,
			     size_t count, loff_t *ppos)
{
	/* Step 3, write: no more than fits, and one at a time from the first byte on. */
	struct dma_m2m *m2m = to_dma_m2m(file);
	size_t len = min_t(size_t, count, DMA_M2M_BUF_SIZE);
	int ret = -EFAULT;

	if (!len)
		return 0;
	if (mutex_lock_killable(&m2m->lock))
		return -ERESTARTSYS;

	m2m->len = 0;
	if (!copy_from_user(m2m->write_buf, ubuf, len))
		ret = dma_m2m_copy(m2m, len);
	if (!ret) {
		m2m->len = len;
		*ppos = 0;
	}
	mutex_unlock(&m2m->lock);
	return ret ? ret : len;
	/* End of step 3, write. */
}

static const struct file_operations dma_m2m_fops = {
	.owner = THIS_MODULE,
	.read = dma_m2m_read,
	.write = dma_m2m_write,
};

/*
 * Step 1, allocate: whole pages start and end on cache lines, so that no other data
 * shares a line with what the engine reads or writes.
 */
static void *dma_m2m_alloc(struct device *dev)
{
	return (void *)devm_get_free_pages(dev, GFP_KERNEL | __GFP_ZERO,
					   get_order(DMA_M2M_BUF_SIZE));
}

/* End of step 1, allocate. */

/*
 * Step 2, channel: first, how it is given back.
 *
 * Each wait has ended its transfer, but the last callback may still be running:
 * the channel is terminated and synchronised before it is given back.
 */
static void dma_m2m_release_chan(void *data)
{
	struct dma_chan *chan = data;

	dmaengine_terminate_sync(chan);
	dma_release_channel(chan);
}

/* Any channel will do that can copy memory. */
static int dma_m2m_request_chan(struct dma_m2m *m2m)
{
	dma_cap_mask_t mask;

	dma_cap_zero(mask);
	dma_cap_set(DMA_MEMCPY, mask);
	m2m->chan = dma_request_chan_by_mask(&mask);
	if (IS_ERR(m2m->chan))
		return dev_err_probe(m2m->dev, PTR_ERR(m2m->chan), "no DMA channel\n");

	return devm_add_action_or_reset(m2m->dev, dma_m2m_release_chan, m2m->chan);
}

/* End of step 2, channel. */

/* Step 1, register: a misc device, and how it goes again. */
static void dma_m2m_deregister(void *data)
{
	misc_deregister(data);
}

static int dma_m2m_register(struct dma_m2m *m2m)
{
	int ret;

	m2m->misc.minor = MISC_DYNAMIC_MINOR;
	m2m->misc.name = "dma_m2m_misc_dev";
	m2m->misc.fops = &dma_m2m_fops;
	m2m->misc.parent = m2m->dev;
	ret = misc_register(&m2m->misc);
	if (ret)
		return dev_err_probe(m2m->dev, ret, "no misc device\n");

	return devm_add_action_or_reset(m2m->dev, dma_m2m_deregister, &m2m->misc);
}

/* End of step 1, register. */

/* The device node comes last: from then on somebody may call write(). */
static int dma_m2m_probe(struct platform_device *pdev)
{
	struct dma_m2m *m2m;
	int ret;

	m2m = devm_kzalloc(&pdev->dev, sizeof(*m2m), GFP_KERNEL);
	if (!m2m)
		return -ENOMEM;

	m2m->dev = &pdev->dev;
	mutex_init(&m2m->lock);
	init_completion(&m2m->done);

	m2m->write_buf = dma_m2m_alloc(m2m->dev);
	if (!m2m->write_buf)
		return -ENOMEM;
	m2m->read_buf = dma_m2m_alloc(m2m->dev);
	if (!m2m->read_buf)
		return -ENOMEM;

	ret = dma_m2m_request_chan(m2m);
	if (ret)
		return ret;
	return dma_m2m_register(m2m);
}

static const struct of_device_id dma_m2m_of_match[] = {
	{ .compatible = "dma-labs,dma-m2m" },
	{ }
};
MODULE_DEVICE_TABLE(of, dma_m2m_of_match);

/*
 * An open file keeps the module, but not the device, and the buffers go with the
 * device: so unbinding through sysfs is switched off. Removing the overlay at run
 * time has the same effect and is not prevented: do not, while a file is open.
 */
static struct platform_driver dma_m2m_driver = {
	.probe = dma_m2m_probe,
	.driver = {
		.name = "dma_m2m",
		.of_match_table = dma_m2m_of_match,
		.suppress_bind_attrs = true,
	},
};
module_platform_driver(dma_m2m_driver);

MODULE_DESCRIPTION("Lab 1: memory-to-memory copy with the DMA engine");
MODULE_LICENSE("GPL");
