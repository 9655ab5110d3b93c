#include "board.h"

/* ARM DDI 0403E, B3.3: SysTick. */
#define SYSTICK_CONTROL (*(volatile uint32_t *)0xE000E010)
#define SYSTICK_RELOAD (*(volatile uint32_t *)0xE000E014)
#define SYSTICK_VALUE (*(volatile uint32_t *)0xE000E018)
#define SYSTICK_ENABLE_INTERRUPT_CPU_CLOCK 7u

/* ARM DAI 0385D: the AN385 runs at 25 MHz, its CMSDK UART 0 is here. */
#define CPU_HZ 25000000u
#define UART_DATA (*(volatile uint32_t *)0x40004000)
#define UART_STATE (*(volatile uint32_t *)0x40004004)
#define UART_CONTROL (*(volatile uint32_t *)0x40004008)
#define UART_BAUD_DIVIDER (*(volatile uint32_t *)0x40004010)
#define UART_TRANSMIT_FULL 1u
#define UART_RECEIVE_FULL 2u
#define UART_BOTH_WAYS 3u
#define UART_BAUD 115200u

static volatile uint32_t milliseconds;

/* The vector table refers to it by this name. */
void arm_systick_isr(void);
void arm_systick_isr(void) { milliseconds++; }

void board_init(void) {
  SYSTICK_RELOAD = CPU_HZ / 1000 - 1;
  SYSTICK_VALUE = 0;
  SYSTICK_CONTROL = SYSTICK_ENABLE_INTERRUPT_CPU_CLOCK;
  UART_BAUD_DIVIDER = CPU_HZ / UART_BAUD;
  UART_CONTROL = UART_BOTH_WAYS;
}

uint32_t board_now_ms(void *context) {
  (void)context;
  return milliseconds;
}

void board_wait(void) { __asm volatile("wfi"); }

static int open_stream(void *context) {
  (void)context;
  return 1;
}

static int send_bytes(void *context, const uint8_t *bytes, uint16_t length) {
  uint16_t sent = 0;
  (void)context;
  while (sent < length && (UART_STATE & UART_TRANSMIT_FULL) == 0) UART_DATA = bytes[sent++];
  return sent;
}

static int receive_bytes(void *context, uint8_t *bytes, uint16_t length) {
  uint16_t received = 0;
  (void)context;
  while (received < length && (UART_STATE & UART_RECEIVE_FULL) != 0) bytes[received++] = (uint8_t)UART_DATA;
  return received;
}

static void close_stream(void *context) { (void)context; }

struct millrace_stream board_uart_stream(void) {
  struct millrace_stream stream = {0, open_stream, send_bytes, receive_bytes, close_stream};
  return stream;
}
