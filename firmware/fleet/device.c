#define _GNU_SOURCE
#include "device.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "json.h"

#define RECEIVE_SIZE 128

static int64_t wall_us(void) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static void unlist(struct device *device) {
  struct fleet_state *shared = device->shared;
  if (!device->listed) return;
  if (device->older != NULL) device->older->newer = device->newer; else shared->oldest = device->newer;
  if (device->newer != NULL) device->newer->older = device->older; else shared->newest = device->older;
  device->listed = false;
}

static void list(struct device *device) {
  struct fleet_state *shared = device->shared;
  if (device->listed) return;
  device->older = shared->newest;
  device->newer = NULL;
  if (shared->newest != NULL) shared->newest->newer = device; else shared->oldest = device;
  shared->newest = device;
  device->listed = true;
}

static void mark_dirty(struct device *device) {
  if (device->dirty) return;
  device->dirty = true;
  device->next_dirty = device->shared->dirty;
  device->shared->dirty = device;
}

/* Puts a frame or a message in the store and notes what the ledger will say of it. OK or FULL. */
static enum millrace_status keep(struct device *device, const uint8_t *bytes, const struct frame_record *record,
                                 int32_t *discarded) {
  struct totals *totals = &device->shared->totals;
  uint16_t slot;
  enum millrace_status status = millrace_ram_store_put(&device->store, bytes, record->bytes, discarded, &slot);
  if (status != MILLRACE_OK) return status;
  device->records[slot] = *record;
  totals->sealed++;
  totals->sealed_samples += record->samples;
  totals->bytes += record->bytes;
  mark_dirty(device);
  return status;
}

/* The batcher's sink. */
static enum millrace_status put(void *context, const uint8_t *frame, uint16_t length, int32_t *discarded) {
  struct device *device = context;
  const struct millrace_frame *open = &device->batcher.frame;
  struct frame_record record = {open->start.boot, open->start.seq, open->start.base, open->last,
                                0,                open->samples,   length};
  enum millrace_status status = keep(device, frame, &record, discarded);
  if (status == MILLRACE_OK) unlist(device);
  return status;
}

/* A sample as JSON, in the place of a frame. OK or FULL. */
static enum millrace_status put_json(struct device *device, int64_t time_ms, const int32_t *values) {
  char message[JSON_MAX];
  struct frame_record record = {device->shared->boot, device->messages, time_ms, time_ms, 0, 1, 0};
  int32_t discarded = 0;
  enum millrace_status status;

  if (!millrace_ram_store_has_room(&device->store)) return MILLRACE_FULL;
  record.bytes = json_write(&device->shared->options->firmware, time_ms, values, message);
  status = keep(device, (const uint8_t *)message, &record, &discarded);
  if (status == MILLRACE_OK) device->messages++;
  return status;
}

static void published(void *context, uint32_t handle) {
  struct device *device = context;
  device->shared->totals.published++;
  if (device->records[handle].published_us == 0) device->records[handle].published_us = wall_us();
}

static void acknowledged(void *context, uint32_t handle, uint8_t reason) {
  struct device *device = context;
  struct fleet_state *shared = device->shared;
  struct millrace_store store = millrace_ram_store_port(&device->store);
  const uint8_t *frame;
  uint16_t length;
  if (reason >= 0x80 || reason == 0x10) {
    if (shared->totals.refused++ == 0)
      fprintf(stderr, "fleet: the broker did not take %s of %s: reason 0x%02X%s; it is sent again, and others like it are counted\n",
              shared->options->json ? "a message" : "a frame", device->identity.device, reason, reason == 0x10 ? ", nobody is subscribed" : "");
    return;
  }
  shared->totals.acked++;
  shared->totals.acked_samples += device->records[handle].samples;
  (void)store.read(store.context, handle, &frame, &length);
  if (!ledger_write(&shared->ledger, device->identity.device, &device->records[handle], frame, wall_us()))
    shared->ledger_failed = true;
}

/* Opens the session as the user that all devices are, where there is one. */
static int open_session(void *context, const struct millrace_session_options *given, uint32_t now_ms) {
  struct device *device = (struct device *)((char *)context - offsetof(struct device, mqtt));
  struct millrace_session_options options = *given;
  if (device->shared->options->username != NULL) options.username = device->shared->options->username;
  return millrace_mqtt_session(&device->mqtt).open(context, &options, now_ms);
}

static void configure_publisher(struct device *device, struct millrace_in_flight *in_flight, uint32_t number) {
  const struct options *options = device->shared->options;
  struct millrace_publisher_config config = {
      .session = millrace_mqtt_session(&device->mqtt),
      .store = millrace_ram_store_port(&device->store),
      .identity = &device->identity,
      .password = options->password,
      .in_flight = in_flight,
      .in_flight_size = options->in_flight,
      .seed = (options->seed + 1) * 2654435761u + number,
      .reconnect_min_ms = MILLRACE_RECONNECT_MIN_MS,
      .reconnect_max_ms = MILLRACE_RECONNECT_MAX_MS,
      .observer = {published, acknowledged, device},
      .boot = device->shared->boot,
  };
  config.session.open = open_session;
  (void)millrace_publisher_init(&device->publisher, &config);
}

struct device *device_create(struct fleet_state *shared, const char *id, uint32_t number) {
  const struct options *options = shared->options;
  const struct millrace_schema *schema = options->firmware.schema;
  size_t slots = options->queue;
  /* CONNECT with its will, or a few frames: what one write takes. */
  size_t transmit_size = 1024 + 4u * options->max_payload;
  struct device *device = calloc(1, sizeof *device);
  struct millrace_slot *slot_list = calloc(slots, sizeof *slot_list);
  struct millrace_in_flight *in_flight = calloc(options->in_flight, sizeof *in_flight);
  uint8_t *frames = malloc(slots * options->max_payload);
  uint8_t *buffers = malloc(2u * options->max_payload + transmit_size + RECEIVE_SIZE);

  if (device == NULL) return NULL;
  device->shared = shared;
  device->records = calloc(slots, sizeof *device->records);
  if (slot_list == NULL || in_flight == NULL || frames == NULL || buffers == NULL || device->records == NULL)
    return NULL;
  if (millrace_identity_init(&device->identity, id, schema->firmware, shared->boot) != MILLRACE_OK) return NULL;
  struct millrace_batcher_config batcher = {schema,  &shared->clock,        {put, device},     buffers,
                                            options->max_payload, options->flush_ms, shared->boot};
  (void)millrace_batcher_init(&device->batcher, &batcher);
  (void)millrace_ram_store_init(&device->store, slot_list, options->queue, frames, options->max_payload, MILLRACE_REFUSE);
  socket_stream_init(&device->stream, shared->epoll, &shared->address, shared->address_length, device);
  uint8_t *transmit = buffers + 2u * options->max_payload;
  openssl_stream_init(&device->tls, &shared->tls, socket_stream_port(&device->stream), options->certificates, device->identity.device);
  millrace_mqtt_init(&device->mqtt, options->tls ? openssl_stream_port(&device->tls) : device->tls.below, transmit,
                     (uint16_t)transmit_size, transmit + transmit_size, RECEIVE_SIZE);
  configure_publisher(device, in_flight, number);
  /* A sample takes 8 bytes or so. Devices that all began now would fill their frames at the same moments for ever; real ones were
     switched on at different times. */
  device->early = (uint16_t)(1 + number % (options->max_payload / 8u));
  (void)model_init(&device->model, schema, options->seed, number);
  return device;
}

enum millrace_status device_offer(struct device *device, int64_t time_ms, const int32_t *values) {
  if (device->shared->options->json) return put_json(device, time_ms, values);
  enum millrace_status status = millrace_batcher_offer(&device->batcher, MILLRACE_SYNCED, time_ms, values);
  if (status == MILLRACE_OK) list(device);
  return status;
}

void device_sample(struct device *device, int64_t time_ms) {
  struct totals *totals = &device->shared->totals;
  int32_t values[MILLRACE_MAX_METRICS];

  model_sample(&device->model, time_ms, values);
  totals->samples++;
  if (device_offer(device, time_ms, values) != MILLRACE_OK) {
    millrace_batcher_discard(&device->batcher, 1);
    totals->dropped++;
    return;
  }
  totals->readings += device->batcher.frame.schema->metric_count;
  if (device->shared->options->sparse || (device->early > 0 && --device->early == 0)) (void)device_flush(device);
}

enum millrace_status device_flush(struct device *device) { return millrace_batcher_flush(&device->batcher); }

void device_poll(struct device *device) {
  struct fleet_state *shared = device->shared;
  enum millrace_publisher_state before = device->publisher.state;
  millrace_publisher_poll(&device->publisher, shared->now_ms);
  enum millrace_publisher_state after = device->publisher.state;
  if (before == after) return;
  if (shared->tls.failure[0] != '\0' && !shared->tls_failed) {
    shared->tls_failed = true;
    fprintf(stderr, "fleet: TLS: %s; it is tried again, and others like it are not said\n", shared->tls.failure);
  }
  shared->connected += (after == MILLRACE_PUBLISHER_READY) - (before == MILLRACE_PUBLISHER_READY);
  shared->connecting += (after == MILLRACE_PUBLISHER_CONNECTING) - (before == MILLRACE_PUBLISHER_CONNECTING);
}

void device_stop(struct device *device) { millrace_publisher_stop(&device->publisher); }
