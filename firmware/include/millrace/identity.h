/* Who a device is on the wire: its topics, its birth and its will, made from device ID, firmware and boot number. */
#ifndef MILLRACE_IDENTITY_H
#define MILLRACE_IDENTITY_H

#include <stdint.h>

#include "millrace/status.h"

#define MILLRACE_DEVICE_ID_MAX 64
#define MILLRACE_FIRMWARE_MAX 32

struct millrace_identity {
  char device[MILLRACE_DEVICE_ID_MAX + 1];
  char telemetry_topic[MILLRACE_DEVICE_ID_MAX + 19];
  char status_topic[MILLRACE_DEVICE_ID_MAX + 16];
  char birth[MILLRACE_FIRMWARE_MAX + 56];    /* state ready */
  char will[MILLRACE_FIRMWARE_MAX + 56];     /* state lost, with the boot, so that a stale will is recognised */
  char farewell[MILLRACE_FIRMWARE_MAX + 56]; /* state sleeping: a stop that was meant */
};

/* OK; BAD_ARGUMENT: the device ID is not [A-Za-z0-9][A-Za-z0-9_-]{0,63}, or the firmware's name is longer than 32 or not
 * of those characters, or boot is negative. */
enum millrace_status millrace_identity_init(struct millrace_identity *identity, const char *device,
                                            const char *firmware, int32_t boot);

#endif
