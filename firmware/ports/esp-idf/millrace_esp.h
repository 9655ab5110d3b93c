/* The library on ESP-IDF 5 (ESP32 and its successors): a stream over esp-tls, flash over a partition, a clock over
 * esp_timer. Not compiled in this repository's tests: the SDK is not to be had there.
 *
 * The stream carries the library's own MQTT client. esp-mqtt is not used: its outbox drops what is older than 30 seconds
 * and does not say so, and it does not hand on the reason of a PUBACK. */
#ifndef MILLRACE_ESP_H
#define MILLRACE_ESP_H

#include <esp_err.h>
#include <esp_partition.h>
#include <esp_tls.h>
#include <stdbool.h>
#include <stdint.h>

#include "millrace/flash.h"
#include "millrace/stream.h"

struct millrace_esp_stream {
  const char *host;
  int port;
  esp_tls_cfg_t config; /* with TLS: cacert_buf and cacert_bytes; without: is_plain_tcp */
  esp_tls_t *tls;
  bool connected;
};

/* ca: PEM with its final zero; NULL: no TLS. certificate and key of the device: PEM, or NULL. */
void millrace_esp_stream_init(struct millrace_esp_stream *stream, const char *host, int port, const char *ca,
                              const char *certificate, const char *key);
struct millrace_stream millrace_esp_stream_port(struct millrace_esp_stream *stream);

/* A data partition as flash, from sector first on. ESP_ERR_NOT_FOUND: no partition has this label, or it is too small;
 * ESP_ERR_NOT_SUPPORTED: it is encrypted.
 * In partitions.csv: millrace, data, undefined, , 1M */
struct millrace_esp_region {
  const esp_partition_t *partition;
  uint32_t first;
};
esp_err_t millrace_esp_region_init(struct millrace_esp_region *region, const char *label, uint32_t first, uint32_t count,
                                   struct millrace_flash *flash);

/* For millrace_clock_init. */
uint32_t millrace_esp_now_ms(void *context);

#endif
