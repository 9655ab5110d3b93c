#include "device_index.h"

#include <stdlib.h>
#include <string.h>

#include "device.h"

/* FNV-1a, 32 bits. */
static uint32_t hash(const char *id) {
  uint32_t value = 2166136261u;
  for (; *id != '\0'; id++) value = (value ^ (uint8_t)*id) * 16777619u;
  return value;
}

/* Where the device is, or where it belongs. */
static uint32_t place_of(const struct device_index *index, const char *id) {
  uint32_t place = hash(id) & (index->size - 1);
  while (index->places[place] != NULL && strcmp(index->places[place]->identity.device, id) != 0)
    place = (place + 1) & (index->size - 1);
  return place;
}

struct device *device_index_find(const struct device_index *index, const char *id) {
  return index->size == 0 ? NULL : index->places[place_of(index, id)];
}

static bool grow(struct device_index *index) {
  struct device_index larger = {NULL, index->size == 0 ? 128 : index->size * 2, index->count};
  larger.places = calloc(larger.size, sizeof *larger.places);
  if (larger.places == NULL) return false;
  for (uint32_t i = 0; i < index->size; i++)
    if (index->places[i] != NULL) larger.places[place_of(&larger, index->places[i]->identity.device)] = index->places[i];
  free(index->places);
  *index = larger;
  return true;
}

bool device_index_add(struct device_index *index, struct device *device) {
  if (2 * (index->count + 1) > index->size && !grow(index)) return false;
  index->places[place_of(index, device->identity.device)] = device;
  index->count++;
  return true;
}
