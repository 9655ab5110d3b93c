# Targets that need cross compilers, an emulator or clang: see firmware/install.

ARM := arm-none-eabi-gcc -mcpu=cortex-m3 -mthumb --specs=picolibc.specs
ARM_PROGRAM := $(ARM) --oslib=semihost --crt0=semihost -Wl,--defsym=__flash=0 -Wl,--defsym=__flash_size=4M \
	-Wl,--defsym=__ram=0x20000000 -Wl,--defsym=__ram_size=4M -Wl,--defsym=__stack_size=64K
LX106 := xtensa-lx106-elf-gcc -mlongcalls -isystem /usr/lib/picolibc/xtensa-lx106-elf/include
RISCV := riscv64-unknown-elf-gcc -march=rv32imc -mabi=ilp32 --specs=picolibc.specs
SMALL := -Os -std=c99 -Wall -Wextra -Werror -ffunction-sections -fdata-sections -Iinclude -Igenerated
CORTEX_M := $(wildcard ports/cortex-m/*.c ports/cortex-m/*.h)
QEMU := qemu-system-arm -M mps2-an385 -nographic -monitor none -serial null -semihosting-config enable=on,target=native

# The same tests as on the host, with fewer random power cuts.
$(BUILD)/library-tests-arm.elf: $(LIBRARY_TESTS) $(LIBRARY) $(HEADERS)
	@mkdir -p $(@D)
	$(ARM_PROGRAM) -Os -std=gnu11 -DPOWER_CUTS=300 $(INCLUDE) -Itest $(LIBRARY_TESTS) $(LIBRARY) -o $@

$(BUILD)/device-arm.elf: $(CORTEX_M) $(LIBRARY) $(HEADERS)
	@mkdir -p $(@D)
	$(ARM_PROGRAM) $(SMALL) -Wl,--gc-sections -Wl,-Map=$@.map -Iports/cortex-m $(filter %.c,$(CORTEX_M)) $(LIBRARY) -o $@

$(BUILD)/cortex-m-test: test/cross/cortex_m_test.c test/host/broker.c test/check.c $(HEADERS)
	$(CC) -g $(TEST_FLAGS) -Itest/host $(filter %.c,$^) -lmosquitto -o $@

# No allocator may be in the image of the bare-metal device.
no-malloc: $(BUILD)/device-arm.elf
	@! arm-none-eabi-nm $< | grep -iE ' (_?(malloc|calloc|realloc|free)(_r)?|_?sbrk)$$' || { echo "the device's image allocates memory"; exit 1; }

compile-lx106 compile-riscv: compile-%: $(LIBRARY) $(HEADERS)
	@mkdir -p $(BUILD)/$*
	@for source in $(LIBRARY); do \
	  $(if $(filter lx106,$*),$(LX106),$(RISCV)) $(SMALL) -c $$source -o $(BUILD)/$*/$$(basename $$source .c).o || exit 1; done

install: ## packages for cross-test, size and fuzz
	@./install cross

$(BUILD)/library-tests-arm.elf $(BUILD)/device-arm.elf compile-lx106 compile-riscv size fuzz: | install

cross-test: $(BUILD)/library-tests-arm.elf $(BUILD)/device-arm.elf $(BUILD)/cortex-m-test no-malloc compile-lx106 compile-riscv ## tests on an emulated Cortex-M3; compiles for ESP8266 and RISC-V
	@$(QEMU) -kernel $(BUILD)/library-tests-arm.elf > $(BUILD)/cross.out 2>&1; status=$$?; cat $(BUILD)/cross.out; \
	 $(BUILD)/cortex-m-test $(BUILD)/device-arm.elf > $(BUILD)/cross2.out; status=$$((status + $$?)); cat $(BUILD)/cross2.out; \
	 cat $(BUILD)/cross.out $(BUILD)/cross2.out | awk '/ passed, / { passed += $$1; failed += $$3 } END { print passed + 0 " passed, " failed + 0 " failed" }'; \
	 exit $$status

size: ## text, RAM and stack of the library for Cortex-M3, ESP8266 and RISC-V
	@bench/size

# Branches of the library that no test takes show in build/coverage/*.gcov. `dead` ones, on calls that cannot fail, count too.
coverage: $(LIBRARY_TESTS) $(LIBRARY) $(HEADERS) ## branch coverage of the library by its tests; fails below 95 %
	@bench/coverage

FUZZ_SECONDS ?= 60
fuzz: $(LIBRARY) $(wildcard fuzz/*.c) $(HEADERS) ## libFuzzer on the ring scan, incoming packets and frames, FUZZ_SECONDS each
	@mkdir -p $(BUILD)/fuzz
	@for target in flash mqtt frame; do \
	  clang-14 -O1 -g -std=gnu11 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all $(INCLUDE) fuzz/$${target}_fuzz.c $(LIBRARY) -o $(BUILD)/fuzz/$$target || exit 1; \
	  mkdir -p $(BUILD)/fuzz/$$target-corpus; \
	  $(BUILD)/fuzz/$$target -max_total_time=$(FUZZ_SECONDS) -max_len=16384 -print_final_stats=1 -artifact_prefix=$(BUILD)/fuzz/ $(BUILD)/fuzz/$$target-corpus 2> $(BUILD)/fuzz/$$target.log \
	    || { tail -40 $(BUILD)/fuzz/$$target.log; exit 1; }; \
	  echo "$$target: $$(grep -o 'number_of_executed_units: *[0-9]*' $(BUILD)/fuzz/$$target.log | grep -o '[0-9]*$$') inputs, no finding"; done

.PHONY: install no-malloc compile-lx106 compile-riscv cross-test size coverage fuzz
