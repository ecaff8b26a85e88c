/**
 * What a plan does to a file by itself; `remove` is `unlink(2)`.
 *
 * @since 0.1.0
 */
export type FileCall =
  | { readonly operation: 'remove'; readonly path: string }
  | { readonly operation: 'rename' | 'link'; readonly path: string; readonly to: string }
