#include "millrace/varint.h"

/* Sign arithmetic instead of a shift of a negative number, which C leaves to the compiler. */
uint32_t millrace_zigzag(int32_t value) { return ((uint32_t)value << 1) ^ (value < 0 ? UINT32_MAX : 0); }

uint64_t millrace_zigzag_long(int64_t value) { return ((uint64_t)value << 1) ^ (value < 0 ? UINT64_MAX : 0); }

uint8_t millrace_varint_length(uint32_t value) {
  uint8_t length = 1;
  while (value > 0x7F) {
    value >>= 7;
    length++;
  }
  return length;
}

uint8_t millrace_varint_length_long(uint64_t value) {
  uint8_t length = 1;
  while (value > 0x7F) {
    value >>= 7;
    length++;
  }
  return length;
}

uint8_t millrace_varint_write(uint8_t *out, uint32_t value) {
  uint8_t length = 0;
  while (value > 0x7F) {
    out[length++] = (uint8_t)(value | 0x80);
    value >>= 7;
  }
  out[length++] = (uint8_t)value;
  return length;
}

uint8_t millrace_varint_write_long(uint8_t *out, uint64_t value) {
  uint8_t length = 0;
  while (value > 0x7F) {
    out[length++] = (uint8_t)(value | 0x80);
    value >>= 7;
  }
  out[length++] = (uint8_t)value;
  return length;
}

uint8_t millrace_varint_read(const uint8_t *bytes, uint16_t length, int64_t *value) {
  uint64_t sum = 0;
  for (uint8_t i = 0; i < length && i < 10; i++) {
    uint8_t byte = bytes[i];
    if (i == 9 && byte > 1) return 0;
    sum |= (uint64_t)(byte & 0x7F) << (7 * i);
    if ((byte & 0x80) == 0) {
      *value = (int64_t)((sum >> 1) ^ ((sum & 1) != 0 ? UINT64_MAX : 0));
      return (uint8_t)(i + 1);
    }
  }
  return 0;
}
