/* The scan at boot over arbitrary flash: whatever the bytes are, the store opens, gives out only frames whose CRC is
 * right, and can be written. The first byte chooses the write unit, the next bytes plant whole frames. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "millrace/boot.h"
#include "millrace/crc32.h"
#include "millrace/flash_store.h"

#define SECTOR 2048
#define SECTORS 4

static uint8_t memory[SECTOR * SECTORS];

static int flash_read(void *context, uint32_t offset, uint8_t *bytes, uint16_t length) {
  (void)context;
  if (offset + length > sizeof memory) abort();
  memcpy(bytes, memory + offset, length);
  return 0;
}

static int flash_program(void *context, uint32_t offset, const uint8_t *bytes, uint16_t length) {
  (void)context;
  if (offset + length > sizeof memory) abort();
  for (uint16_t i = 0; i < length; i++) memory[offset + i] &= bytes[i];
  return 0;
}

static int flash_erase(void *context, uint32_t sector) {
  (void)context;
  if (sector >= SECTORS) abort();
  memset(memory + sector * SECTOR, 0xFF, SECTOR);
  return 0;
}

/* Makes CRCs right where the input asks for it, or the fuzzer would never come past them. */
static void plant(const uint8_t *data, size_t size, uint8_t unit) {
  size_t slot_size = (size_t)((8 + unit - 1) / unit * unit + 2 * unit + (12 + unit - 1) / unit * unit + (280 + unit - 1) / unit * unit);
  size_t header = (size_t)((16 + unit - 1) / unit * unit);
  for (size_t i = 0; i + 1 < size && i < 64; i += 2) {
    uint8_t *sector = memory + (data[i] % SECTORS) * SECTOR;
    if ((data[i] & 0x80) != 0) {
      memcpy(sector, "MRS1", 4);
      uint32_t crc = millrace_crc32(0, sector, 12);
      for (int b = 0; b < 4; b++) sector[12 + b] = (uint8_t)(crc >> (8 * b));
    } else {
      uint8_t *slot = sector + header + (data[i + 1] % 5) * slot_size;
      size_t frame = slot_size - (size_t)((280 + unit - 1) / unit * unit);
      uint16_t length = (uint16_t)(1 + data[i + 1]);
      if (slot + slot_size > sector + SECTOR) continue;
      slot[0] = (uint8_t)length;
      slot[1] = (uint8_t)(length >> 8);
      slot[2] = slot[3] = 0;
      uint32_t crc = millrace_crc32(millrace_crc32(0, slot, 4), slot + frame, length);
      for (int b = 0; b < 4; b++) slot[4 + b] = (uint8_t)(crc >> (8 * b));
    }
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static struct millrace_sector sectors[SECTORS];
  static uint8_t bits[8], frame_memory[288], payload[280];
  struct millrace_flash flash = {NULL, SECTOR, SECTORS, 4, flash_read, flash_program, flash_erase};
  struct millrace_flash_memory store_memory = {sectors, bits, frame_memory, 280};
  struct millrace_flash_store store;
  int32_t discarded, boot;
  uint32_t handle;
  const uint8_t *frame;
  uint16_t length;

  if (size < 65) return 0;
  flash.write_unit = (uint8_t)(4 << (data[0] % 3));
  memset(memory, 0xFF, sizeof memory);
  memcpy(memory, data + 65, size - 65 < sizeof memory ? size - 65 : sizeof memory);
  plant(data + 1, 64, flash.write_unit);
  if (millrace_flash_store_open(&store, &flash, &store_memory, &discarded) != MILLRACE_OK) abort();
  if (discarded < 0) abort();
  struct millrace_store port = millrace_flash_store_port(&store);
  for (int i = 0; i < 30; i++) {
    enum millrace_status status = port.put(port.context, payload, sizeof payload, &discarded);
    /* Every sector may hold a taken frame; a slot that is not erased may not read back. */
    if (status != MILLRACE_OK && status != MILLRACE_FULL && status != MILLRACE_BROKEN) abort();
    if (discarded < 0) abort();
    if (i % 3 == 0) port.divide(port.context);
    if (port.take(port.context, &handle) != MILLRACE_OK) continue;
    if (port.read(port.context, handle, &frame, &length) == MILLRACE_OK && (length == 0 || length > 280)) abort();
    if (i % 2 == 0) (void)port.release(port.context, handle);
  }
  switch (millrace_boot_next(&flash, 1, &boot)) {
    case MILLRACE_OK:
      if (boot < 0) abort();
      break;
    case MILLRACE_EXHAUSTED:
    case MILLRACE_BROKEN:
      break;
    default:
      abort();
  }
  return 0;
}
