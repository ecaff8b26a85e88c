/**
 * Whether the guest runs. `paused` has its QEMU alive and its vCPUs stopped; `shut-off` has no QEMU.
 *
 * @since 0.1.0
 */
export type GuestState = 'running' | 'paused' | 'shut-off'
