/* Where sealed frames wait until the broker has them: a port with one implementation in RAM (ram_store.h) and one in
 * flash (flash_store.h).
 *
 * A frame is waiting, then taken (the publisher has sent it or is about to), then released. A taken frame is never
 * discarded, whatever becomes of the connection: it may have arrived, and counting it as dropped would be wrong. */
#ifndef MILLRACE_STORE_H
#define MILLRACE_STORE_H

#include <stdint.h>

#include "millrace/batcher.h"
#include "millrace/status.h"

struct millrace_store {
  void *context;

  /* Where the batcher puts frames. Its context is the same. */
  enum millrace_status (*put)(void *context, const uint8_t *frame, uint16_t length, int32_t *discarded);

  /* The next frame to send: the oldest put since the last divide, then the oldest of all.
   * OK, with a handle that is good until release; EMPTY. */
  enum millrace_status (*take)(void *context, uint32_t *handle);

  /* Bytes of a taken frame, good until the next call of the store. OK; CORRUPT or BROKEN: they cannot be had. */
  enum millrace_status (*read)(void *context, uint32_t handle, const uint8_t **frame, uint16_t *length);

  /* From now on read gives this taken frame, of state UPTIME, as one that is SYNCED with its base moved by offset. What
   * was sent once must be sent again in the same bytes, so the store keeps the correction as long as the frame.
   * OK; CORRUPT or BROKEN: the frame stays as it was. */
  enum millrace_status (*correct)(void *context, uint32_t handle, int64_t offset);

  /* Forgets a taken frame. OK; BROKEN: it may come back after a reset. */
  enum millrace_status (*release)(void *context, uint32_t handle);

  /* From here on, frames put later are sent before those that wait now: live before backlog. */
  void (*divide)(void *context);
};

#endif
