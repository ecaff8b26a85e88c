/**
 * An XML element as data. A child is an element or text.
 *
 * @since 0.1.0
 */
export interface XmlElement {
  readonly name: string
  readonly attributes: { readonly [name: string]: string }
  readonly children: ReadonlyArray<XmlElement | string>
}

/** Builds an element. */
export const element = (
  name: string,
  attributes: XmlElement['attributes'] = {},
  children: XmlElement['children'] = [],
): XmlElement => ({ name, attributes, children })

/** The first element inside of that name. */
export const childOf = (of: XmlElement, name: string): XmlElement | undefined =>
  of.children.find((child): child is XmlElement => typeof child === 'object' && child.name === name)

const escaped: { readonly [character: string]: string } = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  '\t': '&#9;',
  '\n': '&#10;',
  '\r': '&#13;',
}

const escape = (text: string): string => text.replace(/[&<>"\t\n\r]/g, (character) => escaped[character] ?? character)

/**
 * The text of an element, on one line: what goes into the `xml` argument of a libvirt function.
 *
 * White space in values is written as character references, so that a reader gives it back unchanged.
 *
 * @example
 * import { xmlText } from 'backing-chain'
 *
 * xmlText({ name: 'source', attributes: { file: '/a&b' }, children: [] }) // => '<source file="/a&amp;b"/>'
 *
 * @since 0.1.0
 */
export const xmlText = (of: XmlElement): string => {
  const attributes = Object.entries(of.attributes).map(([name, value]) => ` ${name}="${escape(value)}"`)
  const open = `<${of.name}${attributes.join('')}`
  if (of.children.length === 0) return `${open}/>`
  const inner = of.children.map((child) => (typeof child === 'string' ? escape(child) : xmlText(child)))
  return `${open}>${inner.join('')}</${of.name}>`
}
