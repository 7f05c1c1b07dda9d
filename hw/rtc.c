/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * MC146818: real-time clock and 128 bytes of CMOS RAM, addressed through an index port. [MC146818A]
 *
 * The clock is the host's, in UTC, plus an offset in whole seconds that the guest sets by writing the time; its seconds begin when
 * the host's do. Nothing ticks unless the guest enabled an interrupt: the time is worked out when it is read, and so are the flags
 * of register C for guests that poll it.
 *
 * Left out: daylight saving (DSE stays 0), square wave, the divider's reset and test modes, a day of the week of the guest's own.
 *
 * Threads: registers on vCPU threads, the timer on the VM's main loop; rtc->lock guards all state.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "vmm/event.h"
#include "vmm/hw.h"
#include "vmm/irq.h"
#include "vmm/state.h"
#include "vmm/vm.h"

enum {
	RTC_SECONDS, RTC_SECONDS_ALARM, RTC_MINUTES, RTC_MINUTES_ALARM, RTC_HOURS, RTC_HOURS_ALARM, RTC_DAY_OF_WEEK, RTC_DAY, RTC_MONTH,
	RTC_YEAR, RTC_A, RTC_B, RTC_C, RTC_D,
	RTC_CENTURY = 0x32,		/* by PC convention; ACPI's FADT may name it */
	RTC_BYTES = 128,
	RTC_PORTS = 2,

	A_UIP = 0x80, A_RATE = 0x0f, A_DEFAULT = 0x26,
	B_SET = 0x80, B_PIE = 0x40, B_AIE = 0x20, B_UIE = 0x10, B_DM = 0x04, B_24H = 0x02, B_DEFAULT = B_24H, B_BITS = 0xf6,
	C_IRQF = 0x80, C_PF = 0x40, C_AF = 0x20, C_UF = 0x10,
	D_VRT = 0x80,
	HOUR_PM = 0x80,
	ALARM_ANY = 0xc0,		/* [MC146818A Alarm Bytes] both top bits: do not care */

	SECONDS_PER_DAY = 86400,
	VERSION = 1,
};

#define SECOND_NS 1000000000ULL
#define ALARM_SLEEP_NS (60 * SECOND_NS)	/* then look again: the host's clock may have been set, or have slept */
#define UIP_NS 244000ULL	/* [MC146818A Update-In-Progress] the bit is set at least that long before an update */

struct rtc {
	struct device dev;
	struct io_region regs;
	struct irq_line *irq;	/* owned end */
	struct event_timer timer;
	u64 (*utc_ns)(void);
	pthread_mutex_t lock;
	u8 index;
	u8 cmos[RTC_BYTES];	/* clock bytes are valid only while B_SET froze them */
	s64 offset;		/* seconds the guest's clock is ahead of the host's */
	u64 flags_ns;		/* guest time up to which register C's flags were worked out */
};

static u64 host_utc_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (u64)ts.tv_sec * SECOND_NS + (u64)ts.tv_nsec;
}

/* Guest time in nanoseconds since 1970. What a guest sets may wrap it: to some other time. */
static u64 guest_ns_locked(const struct rtc *rtc)
{
	return rtc->utc_ns() + (u64)rtc->offset * SECOND_NS;
}

/* --- the ten bytes of time --- */

static u8 encode(const struct rtc *rtc, unsigned int v)
{
	return (u8)(rtc->cmos[RTC_B] & B_DM ? v : v / 10 << 4 | v % 10);
}

static unsigned int decode(const struct rtc *rtc, u8 v)
{
	return rtc->cmos[RTC_B] & B_DM ? v : (v >> 4) * 10U + (v & 0xf);
}

static u8 encode_hour(const struct rtc *rtc, unsigned int hour)
{
	if (rtc->cmos[RTC_B] & B_24H)
		return encode(rtc, hour);
	return (u8)(encode(rtc, hour % 12 ? hour % 12 : 12) | (hour >= 12 ? HOUR_PM : 0));
}

static unsigned int decode_hour(const struct rtc *rtc, u8 v)
{
	if (rtc->cmos[RTC_B] & B_24H)
		return decode(rtc, v);
	return decode(rtc, v & (u8)~HOUR_PM) % 12 + (v & HOUR_PM ? 12 : 0);
}

/* Puts the time into the clock bytes. */
static void show_time_locked(struct rtc *rtc)
{
	time_t t = (time_t)(guest_ns_locked(rtc) / SECOND_NS);
	struct tm tm;

	if (rtc->cmos[RTC_B] & B_SET)
		return;
	gmtime_r(&t, &tm);
	rtc->cmos[RTC_SECONDS] = encode(rtc, (unsigned int)tm.tm_sec);
	rtc->cmos[RTC_MINUTES] = encode(rtc, (unsigned int)tm.tm_min);
	rtc->cmos[RTC_HOURS] = encode_hour(rtc, (unsigned int)tm.tm_hour);
	rtc->cmos[RTC_DAY_OF_WEEK] = encode(rtc, (unsigned int)tm.tm_wday + 1);
	rtc->cmos[RTC_DAY] = encode(rtc, (unsigned int)tm.tm_mday);
	rtc->cmos[RTC_MONTH] = encode(rtc, (unsigned int)tm.tm_mon + 1);
	rtc->cmos[RTC_YEAR] = encode(rtc, (unsigned int)tm.tm_year % 100);
	rtc->cmos[RTC_CENTURY] = encode(rtc, (unsigned int)(tm.tm_year + 1900) / 100);
}

/* The clock bytes become the time. Nonsense in them gives some time, as mktime takes it. */
static void take_time_locked(struct rtc *rtc)
{
	struct tm tm = {
		.tm_sec = (int)decode(rtc, rtc->cmos[RTC_SECONDS]),
		.tm_min = (int)decode(rtc, rtc->cmos[RTC_MINUTES]),
		.tm_hour = (int)decode_hour(rtc, rtc->cmos[RTC_HOURS]),
		.tm_mday = (int)decode(rtc, rtc->cmos[RTC_DAY]),
		.tm_mon = (int)decode(rtc, rtc->cmos[RTC_MONTH]) - 1,
		.tm_year = (int)(decode(rtc, rtc->cmos[RTC_CENTURY]) * 100 + decode(rtc, rtc->cmos[RTC_YEAR])) - 1900,
	};
	s64 t = timegm(&tm);

	if (t < 0)
		t = 0;
	rtc->offset = t - (s64)(rtc->utc_ns() / SECOND_NS);
	rtc->flags_ns = guest_ns_locked(rtc);
}

/* --- flags and interrupts --- */

/* [MC146818A Register A, RS]: the periodic rate's period, 0: none. At 32768 Hz: 2^(rs - 1) ticks; 1 and 2 are as 8 and 9. */
static u64 period_ns(const struct rtc *rtc)
{
	unsigned int rs = rtc->cmos[RTC_A] & A_RATE;

	if (!rs)
		return 0;
	if (rs <= 2)
		rs += 7;
	return SECOND_NS * (1ULL << (rs - 1)) / 32768;
}

static bool alarm_any(u8 v)
{
	return (v & ALARM_ANY) == ALARM_ANY;
}

/* The first second from @s on at which the alarm matches, or 0: never. Alarms repeat daily. */
static u64 next_alarm(const struct rtc *rtc, u64 s)
{
	u8 as = rtc->cmos[RTC_SECONDS_ALARM], am = rtc->cmos[RTC_MINUTES_ALARM], ah = rtc->cmos[RTC_HOURS_ALARM];
	u64 end = s + SECONDS_PER_DAY;

	if (!alarm_any(as) && decode(rtc, as) > 59)
		return 0;
	while (s < end) {
		if (!alarm_any(ah) && decode_hour(rtc, ah) != s % SECONDS_PER_DAY / 3600)
			s += 3600 - s % 3600;
		else if (!alarm_any(am) && decode(rtc, am) != s / 60 % 60)
			s += 60 - s % 60;
		else if (!alarm_any(as) && decode(rtc, as) != s % 60)
			s++;
		else
			return s;
	}
	return 0;
}

/* Sets the flags whose moments have passed since the last look. */
static void update_flags_locked(struct rtc *rtc)
{
	u64 now = guest_ns_locked(rtc), from = rtc->flags_ns, period = period_ns(rtc), alarm;

	rtc->flags_ns = now;
	if (now <= from)	/* the host's clock was set back */
		return;
	if (period && now / period != from / period)
		rtc->cmos[RTC_C] |= C_PF;
	if ((rtc->cmos[RTC_B] & B_SET) || now / SECOND_NS == from / SECOND_NS)
		return;
	rtc->cmos[RTC_C] |= C_UF;
	alarm = next_alarm(rtc, from / SECOND_NS + 1);
	if (alarm && alarm <= now / SECOND_NS)
		rtc->cmos[RTC_C] |= C_AF;
}

/* [MC146818A Register C] IRQF is the OR of the flags whose enables, at the same bits of B, are set. */
static void update_irq_locked(struct rtc *rtc)
{
	bool high = rtc->cmos[RTC_B] & rtc->cmos[RTC_C] & (C_PF | C_AF | C_UF);

	rtc->cmos[RTC_C] = (u8)((rtc->cmos[RTC_C] & ~C_IRQF) | (high ? C_IRQF : 0));
	irq_line_set(rtc->irq, high);
}

static void timer_fired(struct event_timer *t);

/* The timer runs only while the guest wants an interrupt that is not pending already. */
static void arm_timer_locked(struct rtc *rtc)
{
	u8 want = rtc->cmos[RTC_B] & (u8)~rtc->cmos[RTC_C] & (B_PIE | B_AIE | B_UIE);
	u64 now = guest_ns_locked(rtc), period = period_ns(rtc), in = 0, alarm;

	if ((want & B_AIE) && !(rtc->cmos[RTC_B] & B_SET)) {
		alarm = next_alarm(rtc, now / SECOND_NS + 1);
		if (alarm)
			in = MIN(alarm * SECOND_NS - now, ALARM_SLEEP_NS);
	}
	if ((want & B_UIE) && !(rtc->cmos[RTC_B] & B_SET))
		in = SECOND_NS - now % SECOND_NS;
	if ((want & B_PIE) && period && (!in || period - now % period < in))
		in = period - now % period;
	if (in || rtc->timer.src.loop)
		event_timer_set(rtc->dev.vm->loop, &rtc->timer, in, timer_fired);
}

static void timer_fired(struct event_timer *t)
{
	struct rtc *rtc = container_of(t, struct rtc, timer);

	pthread_mutex_lock(&rtc->lock);
	update_flags_locked(rtc);
	update_irq_locked(rtc);
	arm_timer_locked(rtc);
	pthread_mutex_unlock(&rtc->lock);
}

/* --- registers --- */

static u8 read_byte_locked(struct rtc *rtc, unsigned int at)
{
	u64 now;
	u8 v;

	switch (at) {
	case RTC_A:
		now = guest_ns_locked(rtc);
		v = rtc->cmos[RTC_A];
		return !(rtc->cmos[RTC_B] & B_SET) && now % SECOND_NS >= SECOND_NS - UIP_NS ? v | A_UIP : v;
	case RTC_C:
		update_flags_locked(rtc);
		update_irq_locked(rtc);
		v = rtc->cmos[RTC_C];
		rtc->cmos[RTC_C] = 0;	/* [Register C] reading clears it */
		update_irq_locked(rtc);
		arm_timer_locked(rtc);
		return v;
	case RTC_SECONDS:
	case RTC_MINUTES:
	case RTC_HOURS:
	case RTC_DAY_OF_WEEK ... RTC_YEAR:
	case RTC_CENTURY:
		show_time_locked(rtc);
		break;
	}
	return rtc->cmos[at];
}

static void write_b_locked(struct rtc *rtc, u8 v)
{
	bool was_set = rtc->cmos[RTC_B] & B_SET;

	update_flags_locked(rtc);
	if (!was_set && (v & B_SET))
		show_time_locked(rtc);	/* what is frozen is the time of now */
	if (v & B_SET)
		v &= (u8)~B_UIE;	/* [Register B, SET] */
	rtc->cmos[RTC_B] = v & B_BITS;
	if (was_set && !(v & B_SET))
		take_time_locked(rtc);
	update_irq_locked(rtc);
	arm_timer_locked(rtc);
}

static void write_byte_locked(struct rtc *rtc, unsigned int at, u8 v)
{
	switch (at) {
	case RTC_A:
		update_flags_locked(rtc);
		update_irq_locked(rtc);		/* what became due is pending: the timer is for what comes */
		rtc->cmos[RTC_A] = v & (u8)~A_UIP;
		arm_timer_locked(rtc);
		break;
	case RTC_B:
		write_b_locked(rtc, v);
		break;
	case RTC_C:
	case RTC_D:
		break;	/* read-only */
	case RTC_SECONDS:
	case RTC_MINUTES:
	case RTC_HOURS:
	case RTC_DAY_OF_WEEK ... RTC_YEAR:
	case RTC_CENTURY:
		show_time_locked(rtc);
		rtc->cmos[at] = v;
		if (rtc->cmos[RTC_B] & B_SET)
			break;
		take_time_locked(rtc);
		arm_timer_locked(rtc);
		break;
	case RTC_SECONDS_ALARM:
	case RTC_MINUTES_ALARM:
	case RTC_HOURS_ALARM:
		update_flags_locked(rtc);
		update_irq_locked(rtc);
		rtc->cmos[at] = v;
		arm_timer_locked(rtc);
		break;
	default:
		rtc->cmos[at] = v;
	}
}

static u64 rtc_read(struct io_region *r, u64 off, unsigned int size)
{
	struct rtc *rtc = container_of(r, struct rtc, regs);
	u8 v = 0xff;	/* the index port is write-only */

	if (!off)
		return v;
	pthread_mutex_lock(&rtc->lock);
	v = read_byte_locked(rtc, rtc->index);
	pthread_mutex_unlock(&rtc->lock);
	return v;
}

static void rtc_write(struct io_region *r, u64 off, u64 val, unsigned int size)
{
	struct rtc *rtc = container_of(r, struct rtc, regs);

	pthread_mutex_lock(&rtc->lock);
	if (off)
		write_byte_locked(rtc, rtc->index, (u8)val);
	else
		rtc->index = val & (RTC_BYTES - 1);	/* bit 7 masks NMIs on a PC */
	pthread_mutex_unlock(&rtc->lock);
}

static const struct io_ops rtc_io = { .read = rtc_read, .write = rtc_write, .sizes = 1 };

/* --- the device --- */

/* CMOS RAM and the clock are on the battery: only the interrupt side is reset. [MC146818A RESET] */
static void rtc_reset(struct device *dev)
{
	struct rtc *rtc = container_of(dev, struct rtc, dev);

	pthread_mutex_lock(&rtc->lock);
	rtc->index = 0;
	rtc->cmos[RTC_B] &= (u8)~(B_PIE | B_AIE | B_UIE);
	rtc->cmos[RTC_C] = 0;
	update_irq_locked(rtc);
	arm_timer_locked(rtc);
	pthread_mutex_unlock(&rtc->lock);
}

static void rtc_stop(struct device *dev)
{
	event_timer_del(&container_of(dev, struct rtc, dev)->timer);
}

static void rtc_start(struct device *dev)
{
	struct rtc *rtc = container_of(dev, struct rtc, dev);

	pthread_mutex_lock(&rtc->lock);
	arm_timer_locked(rtc);
	pthread_mutex_unlock(&rtc->lock);
}

static int rtc_save(struct device *dev, struct state_writer *w, struct error *err)
{
	struct rtc *rtc = container_of(dev, struct rtc, dev);

	state_begin(w, dev->name, VERSION);
	state_put_u8(w, rtc->index);
	state_put_u64(w, (u64)rtc->offset);
	state_put_u64(w, rtc->flags_ns);
	state_put_bytes(w, rtc->cmos, sizeof(rtc->cmos));
	state_end(w);
	return 0;
}

static int rtc_load(struct device *dev, struct state_reader *r)
{
	struct rtc *rtc = container_of(dev, struct rtc, dev);
	u8 index, cmos[RTC_BYTES];
	u64 offset, flags_ns;
	u32 version;
	int ret;

	ret = state_open(r, dev->name, VERSION, &version);
	if (ret < 0)
		return ret;
	index = state_get_u8(r);
	offset = state_get_u64(r);
	flags_ns = state_get_u64(r);
	state_get_bytes(r, cmos, sizeof(cmos));
	if (index >= RTC_BYTES || (cmos[RTC_A] & A_UIP) || (cmos[RTC_B] & ~B_BITS) || cmos[RTC_D] != D_VRT)
		state_fail(r);
	ret = state_close(r);
	if (ret < 0)
		return ret;
	pthread_mutex_lock(&rtc->lock);
	rtc->index = index;
	rtc->offset = (s64)offset;
	rtc->flags_ns = flags_ns;
	memcpy(rtc->cmos, cmos, sizeof(cmos));
	update_irq_locked(rtc);
	pthread_mutex_unlock(&rtc->lock);
	return 0;
}

static void rtc_free(struct device *dev)
{
	struct rtc *rtc = container_of(dev, struct rtc, dev);

	event_timer_del(&rtc->timer);
	io_unmap_region(dev->vm, &rtc->regs);
	irq_line_put(rtc->irq);
	pthread_mutex_destroy(&rtc->lock);
	free(rtc);
}

static const struct device_ops rtc_ops = {
	.reset = rtc_reset, .stop = rtc_stop, .start = rtc_start, .save = rtc_save, .load = rtc_load, .free = rtc_free,
};

/* Where PC firmware leaves the memory size. [Ralf Brown's Interrupt List, CMOS.LST: 15h-18h, 30h-35h, 5Bh-5Dh] */
static void cmos_memory_size(struct rtc *rtc, u64 below, u64 above)
{
	u64 ext_kib = below > MIB ? (below - MIB) / KIB : 0, ext_64k = below > 16 * MIB ? (below - 16 * MIB) / (64 * KIB) : 0;
	u64 high_64k = above / (64 * KIB);
	u16 base_kib = (u16)MIN(below / KIB, 640ULL), ext = (u16)MIN(ext_kib, 0xffffULL), blocks = (u16)MIN(ext_64k, 0xffffULL);

	rtc->cmos[0x15] = (u8)base_kib;
	rtc->cmos[0x16] = (u8)(base_kib >> 8);
	rtc->cmos[0x17] = rtc->cmos[0x30] = (u8)ext;
	rtc->cmos[0x18] = rtc->cmos[0x31] = (u8)(ext >> 8);
	rtc->cmos[0x34] = (u8)blocks;
	rtc->cmos[0x35] = (u8)(blocks >> 8);
	rtc->cmos[0x5b] = (u8)high_64k;
	rtc->cmos[0x5c] = (u8)(high_64k >> 8);
	rtc->cmos[0x5d] = (u8)(high_64k >> 16);
}

int rtc_create(struct vm *vm, const struct rtc_config *cfg)
{
	struct rtc *rtc = calloc(1, sizeof(*rtc));
	int r;

	if (!rtc)
		return -ENOMEM;
	pthread_mutex_init(&rtc->lock, NULL);
	rtc->utc_ns = cfg->utc_ns ? cfg->utc_ns : host_utc_ns;
	rtc->cmos[RTC_A] = A_DEFAULT;
	rtc->cmos[RTC_B] = B_DEFAULT;
	rtc->cmos[RTC_D] = D_VRT;
	cmos_memory_size(rtc, cfg->ram_below_4g, cfg->ram_above_4g);
	rtc->flags_ns = guest_ns_locked(rtc);
	r = irq_line_get(vm, cfg->gsi, &rtc->irq);
	if (r < 0)
		goto free_rtc;
	r = io_map_region(vm, &rtc->regs, cfg->space, cfg->base, RTC_PORTS, &rtc_io, "rtc");
	if (r < 0)
		goto put_irq;
	rtc->dev.kind = DEV_RTC_MC146818;
	device_describe_io(&rtc->dev, cfg->space, cfg->base, RTC_PORTS);
	/* IRQ 8 of the PC is edge; the chip holds its wire till register C is read. */
	device_describe_irq(&rtc->dev, cfg->gsi, cfg->space == IO_MMIO);
	device_add(vm, &rtc->dev, &rtc_ops, "rtc");
	return 0;

put_irq:
	irq_line_put(rtc->irq);
free_rtc:
	pthread_mutex_destroy(&rtc->lock);
	free(rtc);
	return r;
}
