#include "millrace/identity.h"

#include <stdbool.h>
#include <string.h>

static bool is_letter_or_digit(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* The same characters are safe in a topic level, a username and, unescaped, in JSON. */
static bool is_name(const char *text, size_t longest) {
  size_t length = 0;
  if (!is_letter_or_digit(text[0])) return false;
  for (; text[length] != '\0'; length++)
    if (length == longest || (!is_letter_or_digit(text[length]) && text[length] != '_' && text[length] != '-'))
      return false;
  return true;
}

static char *add(char *end, const char *text) {
  size_t length = strlen(text);
  memcpy(end, text, length + 1);
  return end + length;
}

static void write_topic(char *out, const char *device, const char *level) {
  out = add(out, "devices/");
  out = add(out, device);
  (void)add(out, level);
}

static char *add_number(char *end, uint32_t number) {
  char digits[11];
  char *first = digits + sizeof digits - 1;
  *first = '\0';
  do {
    *--first = (char)('0' + number % 10);
    number /= 10;
  } while (number > 0);
  return add(end, first);
}

static void write_status(char *out, const char *state, const char *firmware, int32_t boot) {
  out = add(out, "{\"state\":\"");
  out = add(out, state);
  out = add(out, "\",\"boot\":");
  out = add_number(out, (uint32_t)boot);
  out = add(out, ",\"firmware\":\"");
  out = add(out, firmware);
  (void)add(out, "\"}");
}

enum millrace_status millrace_identity_init(struct millrace_identity *identity, const char *device,
                                            const char *firmware, int32_t boot) {
  if (!is_name(device, MILLRACE_DEVICE_ID_MAX) || !is_name(firmware, MILLRACE_FIRMWARE_MAX) || boot < 0)
    return MILLRACE_BAD_ARGUMENT;
  (void)add(identity->device, device);
  write_topic(identity->telemetry_topic, device, "/telemetry");
  write_topic(identity->status_topic, device, "/status");
  write_status(identity->birth, "ready", firmware, boot);
  write_status(identity->will, "lost", firmware, boot);
  write_status(identity->farewell, "sleeping", firmware, boot);
  return MILLRACE_OK;
}
