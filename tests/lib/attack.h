/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the attacks in tests/attacks/ are made with: it stands in front of each, as a
 * submission is one file.
 */

#include <linux/console.h>
#include <linux/delay.h>
#include <linux/fs.h>
#include <linux/init.h>
#include <linux/irqflags.h>
#include <linux/io.h>
#include <linux/kernel.h>
#include <linux/kmod.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/reboot.h>
#include <linux/sched/signal.h>
#include <linux/string.h>

MODULE_LICENSE("GPL");

/* A whole text to a file of the guest's, or to its serial port. */
static __maybe_unused void say_to(const char *path, const char *text)
{
	struct file *file = filp_open(path, O_WRONLY | O_NOCTTY, 0);
	loff_t at = 0;

	if (IS_ERR(file))
		return;
	kernel_write(file, text, strlen(text), &at);
	filp_close(file, NULL);
}

static __maybe_unused void say(const char *text)
{
	say_to("/dev/ttyS1", text);
}
