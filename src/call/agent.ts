/**
 * A command to the guest agent (qemu-guest-agent 1.0 and later): exactly the JSON of its socket. `freeze` answers with the number
 * of file systems that it froze; writes to them sleep until `thaw`.
 *
 * @since 0.2.0
 */
export interface AgentCommand {
  readonly execute: 'guest-fsfreeze-freeze' | 'guest-fsfreeze-thaw'
}
