/* A virtual device: the library's batcher, store, publisher and MQTT client over a socket of its own, with TLS if the broker's URL says so. With --json the
 * batcher is left out. */
#ifndef FLEET_DEVICE_H
#define FLEET_DEVICE_H

#include <stdbool.h>
#include <stdint.h>

#include "millrace/batcher.h"
#include "millrace/mqtt.h"
#include "millrace/publisher.h"
#include "millrace/ram_store.h"
#include "model.h"
#include "openssl_stream.h"
#include "fleet_state.h"
#include "socket_stream.h"

/* A doubly linked list threads through the devices that have an open frame, oldest first. */
struct device {
  struct fleet_state *shared;
  struct millrace_identity identity;
  struct millrace_batcher batcher;
  struct millrace_ram_store store;
  struct millrace_publisher publisher;
  struct millrace_mqtt mqtt;
  struct socket_stream stream;
  struct openssl_stream tls; /* over it, with mqtts */
  struct model model;
  struct frame_record *records;
  struct device *older;
  struct device *newer;
  struct device *next_dirty;
  int32_t messages; /* put in the store with --json, numbered from 0 as frames are */
  uint16_t early; /* samples until the first frame is sealed early; 0: that is done */
  bool listed; /* in the list of open frames */
  bool dirty;  /* has put frames that the publisher has not seen */
};

/* Makes a device; its memory lives as long as the fleet. NULL: out of memory, or an ID that is not one. */
struct device *device_create(struct fleet_state *shared, const char *id, uint32_t number);

/* Gives a sample to the batcher; with --json, to the store as a message of its own. OK, or FULL: the queue is full and nothing was taken. */
enum millrace_status device_offer(struct device *device, int64_t time_ms, const int32_t *values);

/* One synthetic sample; what does not fit is dropped and counted. */
void device_sample(struct device *device, int64_t time_ms);

/* Seals the open frame. FULL: the queue has no room, try again. */
enum millrace_status device_flush(struct device *device);

/* Runs the publisher. */
void device_poll(struct device *device);

/* Says farewell to the broker and closes. */
void device_stop(struct device *device);

#endif
