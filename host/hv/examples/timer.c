/*
 * The virtual timer without a GIC: the caller is the interrupt controller.
 *
 *   guest                               this program
 *   interrupts on, spins
 *                    <----------------  arms CNTV by CNTV_CVAL_EL0 and CNTV_CTL_EL0
 *   the timer fires  ---------------->  HV_EXIT_REASON_VTIMER_ACTIVATED; the timer is masked now
 *   handler:         <----------------  makes an IRQ pending, runs on
 *     counts, hvc #1 ---------------->  "end of interrupt": arms CNTV again, unmasks it
 *     eret           <----------------
 */
#include <Hypervisor/Hypervisor.h>
#include <mach/mach_time.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RAM 0x40000000ull
#define VECTORS (RAM + 0x800)
#define IRQ_FROM_THIS_LEVEL 0x280
#define PAGE 0x4000
#define END_OF_INTERRUPT 0x5a000001 /* the syndrome of hvc #1 */

static const uint32_t program[] = {
    0xd50342ff, /* msr daifclr, #2: IRQ on */
    0x14000000, /* b . */
};
static const uint32_t handler[] = {
    0x91000400, /* add x0, x0, #1 */
    0xd4000022, /* hvc #1 */
    0xd69f03e0, /* eret */
};

static void check(hv_return_t code, const char *call) {
    if (code != HV_SUCCESS) {
        fprintf(stderr, "%s: %#x (ANYVISOR_LOG=warn says why)\n", call, (unsigned)code);
        exit(1);
    }
}
#define CHECK(call) check(call, #call)

/* Lets the guest's timer fire in a millisecond. */
static void arm(hv_vcpu_t vcpu) {
    struct mach_timebase_info base;
    uint64_t offset;
    mach_timebase_info(&base);
    CHECK(hv_vcpu_get_vtimer_offset(vcpu, &offset));
    uint64_t now = mach_absolute_time() - offset; /* what CNTVCT_EL0 reads */
    uint64_t millisecond = 1000000ull * base.denom / base.numer;
    CHECK(hv_vcpu_set_sys_reg(vcpu, HV_SYS_REG_CNTV_CVAL_EL0, now + millisecond));
    CHECK(hv_vcpu_set_sys_reg(vcpu, HV_SYS_REG_CNTV_CTL_EL0, 1)); /* ENABLE */
}

int main(void) {
    void *memory;
    hv_vcpu_t vcpu;
    hv_vcpu_exit_t *last;
    uint64_t x0;

    CHECK(hv_vm_create(NULL));
    CHECK(hv_vm_allocate(&memory, PAGE, HV_ALLOCATE_DEFAULT));
    memcpy(memory, program, sizeof program);
    memcpy((char *)memory + (VECTORS - RAM) + IRQ_FROM_THIS_LEVEL, handler, sizeof handler);
    CHECK(hv_vm_map(memory, RAM, PAGE, HV_MEMORY_READ | HV_MEMORY_EXEC));
    CHECK(hv_vcpu_create(&vcpu, &last, NULL));
    CHECK(hv_vcpu_set_reg(vcpu, HV_REG_PC, RAM));
    CHECK(hv_vcpu_set_sys_reg(vcpu, HV_SYS_REG_VBAR_EL1, VECTORS));

    arm(vcpu);
    for (int interrupts = 0; interrupts < 3;) {
        CHECK(hv_vcpu_run(vcpu));
        if (last->reason == HV_EXIT_REASON_VTIMER_ACTIVATED) {
            CHECK(hv_vcpu_set_pending_interrupt(vcpu, HV_INTERRUPT_TYPE_IRQ, true));
        } else if (last->exception.syndrome == END_OF_INTERRUPT) {
            CHECK(hv_vcpu_get_reg(vcpu, HV_REG_X0, &x0));
            printf("interrupt %llu\n", (unsigned long long)x0);
            arm(vcpu);
            CHECK(hv_vcpu_set_vtimer_mask(vcpu, false));
            interrupts++;
        } else {
            fprintf(stderr, "exit %u, syndrome %#llx\n", last->reason,
                    (unsigned long long)last->exception.syndrome);
            return 1;
        }
    }
    CHECK(hv_vcpu_destroy(vcpu));
    CHECK(hv_vm_destroy());
    CHECK(hv_vm_deallocate(memory, PAGE));
    return 0;
}
