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
 * TODO step 4, map: Map len bytes of m2m->write_buf to m2m->src, and of
 * m2m->read_buf to m2m->dst: for the device that moves the data, each in the
 * direction that it has for that device. Each mapping can fail: then nothing
 * stays mapped, and the error is -ENOMEM.
 *
 * See dmaengine_get_dma_device(), dma_map_single(), dma_mapping_error().
 * Chapter: Lab 1, mapping.
 */
static int dma_m2m_map(struct dma_m2m *m2m, size_t len)
{
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

/*
 * TODO step 7, unmap: Undo what dma_m2m_map() did: the same device, lengths and
 * directions.
 *
 * See dma_unmap_single().
 * Chapter: Lab 1, the copy is the CPU's again.
 */
static void dma_m2m_unmap(struct dma_m2m *m2m, size_t len)
{
}

/* End of step 7, unmap. */

/*
 * TODO step 5, submit: Describe the transfer of len bytes from m2m->src to
 * m2m->dst, with an interrupt at its end; no descriptor is -ENOMEM. Give it a
 * callback, a function void f(void *param) of yours that gets callback_param
 * and completes m2m->done, which is set back first: an earlier transfer may
 * have left it complete. Queue the descriptor, and return its cookie.
 *
 * See dmaengine_prep_dma_memcpy(), DMA_PREP_INTERRUPT, struct
 * dma_async_tx_descriptor, complete(), reinit_completion(), dmaengine_submit().
 * Chapter: Lab 1, a descriptor.
 */
static dma_cookie_t dma_m2m_submit(struct dma_m2m *m2m, size_t len)
{
	return 0;
}

/* End of step 5, submit. */

/*
 * TODO step 8, give up: Nobody waits for the transfer any more. Stop the
 * channel, so that the engine does not write to memory that is soon somebody
 * else's. If the transfer was complete all the same, that is a success: ask by
 * its cookie. If not, return why.
 *
 * See dmaengine_terminate_sync(), dma_async_is_tx_complete().
 * Chapter: Lab 1, when the engine does not answer.
 */
static int dma_m2m_give_up(struct dma_m2m *m2m, dma_cookie_t cookie, int why)
{
	return why;
}

/* End of step 8, give up. */

/*
 * TODO step 6, wait: Start what is queued and wait for m2m->done: no longer
 * than timeout_ms, and not past a signal that kills. Return 0 when it came;
 * otherwise it is dma_m2m_give_up() that decides, given -ETIMEDOUT or the error
 * of the wait. That no time-out passes for a success, step 8 tests.
 *
 * See dma_async_issue_pending(), wait_for_completion_killable_timeout(),
 * msecs_to_jiffies().
 * Chapter: Lab 1, waiting.
 */
static int dma_m2m_wait(struct dma_m2m *m2m, dma_cookie_t cookie)
{
	return dma_m2m_give_up(m2m, cookie, 0);
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

/*
 * TODO step 7, compare: Return 0 if the two buffers have the same len bytes,
 * else -EIO.
 *
 * See memcmp().
 * Chapter: Lab 1, the copy is the CPU's again.
 */
static int dma_m2m_compare(struct dma_m2m *m2m, size_t len)
{
	return 0;
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
	/*
	 * TODO step 7, read: Give the user what stands in m2m->read_buf,
	 * m2m->len bytes of it, from *ppos on. A write() may be under way: wait
	 * for it as another write() would.
	 *
	 * See simple_read_from_buffer(), mutex_lock_killable().
	 * Chapter: Lab 1, the copy is the CPU's again.
	 */
	return 0;
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
	/*
	 * TODO step 3, write: Take up to DMA_M2M_BUF_SIZE bytes from the user
	 * into m2m->write_buf, and have dma_m2m_copy() copy them to
	 * m2m->read_buf. Return how many that was, or -EFAULT, or what
	 * dma_m2m_copy() returned; of no bytes there is nothing to copy, and 0
	 * to return. m2m->len tells read() how many bytes there are: 0 as long
	 * as nothing was copied, and after an error. A copy is read from its
	 * start: *ppos is 0 then. All of this, from the first byte taken on, is
	 * for one write() at a time; who waits for it can be killed, and gets
	 * -ERESTARTSYS. Of this, step 7 tests *ppos, and step 8 who waits.
	 *
	 * See min_t(size_t, a, b), copy_from_user(), mutex_lock_killable().
	 * Chapter: Lab 1, data from user space.
	 */
	struct dma_m2m *m2m = to_dma_m2m(file);

	/* m2m->len is 0 as long as nobody sets it. */
	return m2m->len ? dma_m2m_copy(m2m, m2m->len) : -EINVAL;
	/* End of step 3, write. */
}

static const struct file_operations dma_m2m_fops = {
	.owner = THIS_MODULE,
	.read = dma_m2m_read,
	.write = dma_m2m_write,
};

/*
 * TODO step 1, allocate: Allocate a buffer of DMA_M2M_BUF_SIZE bytes, zeroed,
 * which goes with the device. The engine can only copy to and from memory that
 * is contiguous, and a whole number of pages shares no cache line with anybody.
 * Returns NULL when there is none.
 *
 * See devm_get_free_pages(), which returns an address as a number; get_order(),
 * __GFP_ZERO.
 * Chapter: Lab 1, the driver and its device.
 */
static void *dma_m2m_alloc(struct device *dev)
{
	return NULL;
}

/* End of step 1, allocate. */

/*
 * TODO step 2, channel: Ask for any channel that can copy memory (DMA_MEMCPY),
 * and put it into m2m->chan. On failure that is an error pointer, never NULL:
 * say so in the log, and return its error. A function of yours gives the
 * channel back when the device goes: first it ends what the channel is still
 * at, then it releases it.
 *
 * See dma_cap_zero(), dma_cap_set(), dma_request_chan_by_mask(), IS_ERR(),
 * PTR_ERR(), dev_err_probe(), devm_add_action_or_reset(),
 * dmaengine_terminate_sync(), dma_release_channel().
 * Chapter: Lab 1, a channel.
 */
static int dma_m2m_request_chan(struct dma_m2m *m2m)
{
	return 0;
}

/* End of step 2, channel. */

/*
 * TODO step 1, register: Make the character device /dev/dma_m2m_misc_dev: fill
 * in m2m->misc (minor; name, without /dev/; fops, parent) and register it.
 * devm_add_action_or_reset() has a function of yours called when the device
 * goes: deregister there.
 *
 * See struct miscdevice, MISC_DYNAMIC_MINOR, misc_register(),
 * misc_deregister(), devm_add_action_or_reset().
 * Chapter: Lab 1, the driver and its device.
 */
static int dma_m2m_register(struct dma_m2m *m2m)
{
	m2m->misc.fops = &dma_m2m_fops;
	return 0;
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
