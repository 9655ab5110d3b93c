/* CRC-32 as in IEEE 802.3, zlib and PNG: guards what lies in flash. */
#ifndef MILLRACE_CRC32_H
#define MILLRACE_CRC32_H

#include <stdint.h>

/* Goes on from `crc`, 0 at first. */
uint32_t millrace_crc32(uint32_t crc, const uint8_t *bytes, uint16_t length);

#endif
