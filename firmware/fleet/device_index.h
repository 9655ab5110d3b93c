/* Devices by ID: open addressing, so that a file with thousands of devices costs one look a row. */
#ifndef FLEET_DEVICE_INDEX_H
#define FLEET_DEVICE_INDEX_H

#include <stdbool.h>
#include <stdint.h>

struct device;

struct device_index {
  struct device **places;
  uint32_t size; /* a power of two, at most half full */
  uint32_t count;
};

/* The device; NULL: not there. */
struct device *device_index_find(const struct device_index *index, const char *id);

/* Adds a device that is not there. False: out of memory. */
bool device_index_add(struct device_index *index, struct device *device);

#endif
