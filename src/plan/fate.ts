/**
 * What becomes of an image. An image can have more than one fate: the target of a pull is `written` and `repointed`.
 *
 * - `kept`: nothing about it changes.
 * - `written`: its contents are modified (`*` in the wiki's notation).
 * - `repointed`: its backing string is modified (`+`).
 * - `redundant`: nobody needs it any more; it still shows its point in time until somebody writes below it.
 * - `invalid`: what it shows is no longer what it showed.
 * - `removed`: the plan unlinks it.
 * - `created`: it is new.
 * - `renamed`: its file gets another path; where the chain calls it otherwise afterwards, both names have this fate.
 *
 * @since 0.1.0
 */
export type Fate = 'kept' | 'written' | 'repointed' | 'redundant' | 'invalid' | 'removed' | 'created' | 'renamed'
