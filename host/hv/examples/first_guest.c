/* A guest of four instructions: it multiplies two numbers and calls its hypervisor. */
#include <Hypervisor/Hypervisor.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RAM 0x40000000ull /* where the guest's memory stands */
#define PAGE 0x4000

static const uint32_t program[] = {
    0xd28000c0, /* mov x0, #6 */
    0xd28000e1, /* mov x1, #7 */
    0x9b017c00, /* mul x0, x0, x1 */
    0xd4000002, /* hvc #0 */
};

static void check(hv_return_t code, const char *call) {
    if (code != HV_SUCCESS) {
        fprintf(stderr, "%s: %#x (ANYVISOR_LOG=warn says why)\n", call, (unsigned)code);
        exit(1);
    }
}
#define CHECK(call) check(call, #call)

int main(void) {
    void *memory;
    hv_vcpu_t vcpu;
    hv_vcpu_exit_t *last;
    uint64_t x0;

    CHECK(hv_vm_create(NULL));
    CHECK(hv_vm_allocate(&memory, PAGE, HV_ALLOCATE_DEFAULT));
    memcpy(memory, program, sizeof program);
    CHECK(hv_vm_map(memory, RAM, PAGE, HV_MEMORY_READ | HV_MEMORY_EXEC));

    CHECK(hv_vcpu_create(&vcpu, &last, NULL));
    CHECK(hv_vcpu_set_reg(vcpu, HV_REG_PC, RAM)); /* it is at EL1, all interrupts masked */
    CHECK(hv_vcpu_run(vcpu));
    CHECK(hv_vcpu_get_reg(vcpu, HV_REG_X0, &x0));
    printf("reason %u, syndrome %#llx\n", last->reason,
           (unsigned long long)last->exception.syndrome);
    printf("x0 = %llu\n", (unsigned long long)x0);

    CHECK(hv_vcpu_destroy(vcpu));
    CHECK(hv_vm_unmap(RAM, PAGE));
    CHECK(hv_vm_deallocate(memory, PAGE));
    CHECK(hv_vm_destroy());
    return 0;
}
