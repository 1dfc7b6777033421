// SPDX-License-Identifier: GPL-2.0
/*
 * bench_window: lab 1's driver, and what its transfer costs without what write() does
 * before and after it. It is that very source, included as it is. Writing "BYTES" to the
 * parameter run transfers as many, again and again; reading it gives the mean, in
 * nanoseconds (instructions, where QEMU counts them) and hundredths.
 */

#include "dma_m2m.c"

#include <linux/kernel.h>
#include <linux/ktime.h>
#include <linux/math64.h>

#define ROUNDS		200

static u64 sum;

static int transfers(struct dma_m2m *m2m, size_t len)
{
	u64 began;
	int i, ret = dma_m2m_transfer(m2m, len);

	began = ktime_get_ns();
	for (i = 0; i < ROUNDS && !ret; i++)
		ret = dma_m2m_transfer(m2m, len);
	sum = ktime_get_ns() - began;
	return ret;
}

static int run_set(const char *value, const struct kernel_param *param)
{
	struct dma_m2m *m2m;
	struct file *file;
	unsigned int len;
	int ret = kstrtouint(value, 0, &len);

	if (ret)
		return ret;
	if (!len || len > DMA_M2M_BUF_SIZE || len % DMA_M2M_WORD)
		return -EINVAL;
	file = filp_open("/dev/dma_m2m_misc_dev", O_RDWR, 0);
	if (IS_ERR(file))
		return PTR_ERR(file);

	m2m = to_dma_m2m(file);
	mutex_lock(&m2m->lock);
	ret = transfers(m2m, len);
	mutex_unlock(&m2m->lock);
	filp_close(file, NULL);
	return ret;
}

static int run_get(char *text, const struct kernel_param *param)
{
	u32 rest;
	u64 mean = div_u64_rem(sum, ROUNDS, &rest);

	return sysfs_emit(text, "%llu.%02u\n", mean, rest * 100 / ROUNDS);
}

static const struct kernel_param_ops run_ops = { .set = run_set, .get = run_get };
module_param_cb(run, &run_ops, NULL, 0600);
MODULE_PARM_DESC(run, "write: the bytes to transfer; read: what one such transfer costs");
