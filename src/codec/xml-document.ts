import { parseXml, XmlCdata, XmlElement as ParsedElement, XmlText } from '@rgrove/parse-xml'
import * as E from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'

import type { XmlElement } from '../model/xml.js'
import type { DecodeError } from './decode-error.js'

/**
 * How deep elements may lie in each other. libvirt refuses chains of more than 200 images, and the parser that it uses
 * refuses depths beyond 256; what is deeper is no libvirt XML.
 *
 * @since 0.1.0
 */
export const deepestElement = 512

const wrong = (why: string): DecodeError => ({ _tag: 'TextWrong', language: 'XML', why })

const after = (xml: string, from: number, end: string): number => {
  const at = xml.indexOf(end, from)
  return at < 0 ? xml.length : at + end.length
}

/** Where a start tag ends, a `>` in a quoted value left aside. */
const endOfTag = (xml: string, from: number): number => {
  const stops = /["'>]/g
  stops.lastIndex = from
  for (let stop = stops.exec(xml); stop !== null; stop = stops.exec(xml)) {
    if (stop[0] === '>') return stop.index + 1
    stops.lastIndex = after(xml, stop.index + 1, stop[0])
  }
  return xml.length
}

/** What has to be left aside as a whole: comments, CDATA sections, processing instructions. */
const asides = [
  ['<!--', '-->'],
  ['<![CDATA[', ']]>'],
  ['<?', '?>'],
] as const

/**
 * Looks over the text before it is parsed, since the parser calls itself for each level. Where this and the parser would
 * disagree the text is not well-formed, and the parser stops there.
 */
const refused = (xml: string): string | undefined => {
  let depth = 0
  for (let at = xml.indexOf('<'); at >= 0; at = xml.indexOf('<', at)) {
    const aside = asides.find(([start]) => xml.startsWith(start, at))
    if (aside !== undefined) at = after(xml, at + aside[0].length, aside[1])
    else if (xml.startsWith('<!', at)) return 'a document type declaration: entities are not read'
    else if (xml.startsWith('</', at)) {
      depth--
      at += 2
    } else {
      at = endOfTag(xml, at + 1)
      if (xml[at - 2] !== '/') depth++
      if (depth > deepestElement) return `elements nested deeper than ${deepestElement}`
    }
  }
  return undefined
}

const isBlank = (text: string): boolean => /^[ \t\r\n]*$/.test(text)

/** The elements and texts inside; what CDATA and comments have cut into pieces is one text. */
const childrenOf = (parsed: ParsedElement): ReadonlyArray<XmlElement | string> => {
  const children: Array<XmlElement | string> = []
  let text: Array<string> = []
  const end = (): void => {
    const whole = text.join('')
    if (whole !== '') children.push(whole)
    text = []
  }
  for (const child of parsed.children) {
    if (child instanceof XmlText || child instanceof XmlCdata) text.push(child.text)
    if (!(child instanceof ParsedElement)) continue
    end()
    children.push(elementOf(child))
  }
  end()
  return children
}

/** Without the white space between elements; depth is bounded before anything is parsed. */
const elementOf = (parsed: ParsedElement): XmlElement => {
  const children = childrenOf(parsed)
  const mixed = children.some((child) => typeof child !== 'string')
  return {
    name: parsed.name,
    attributes: Object.fromEntries(Object.entries(parsed.attributes)),
    children: mixed ? children.filter((child) => typeof child !== 'string' || !isBlank(child)) : children,
  }
}

/**
 * Reads XML as data. Comments and processing instructions are dropped, CDATA is text, and so is the white space of an
 * element that has nothing but text; between elements it is dropped.
 *
 * Left: `TextWrong` for what is not well-formed, for a document type declaration (entities, defined inside or fetched from
 * outside, are never read), and for elements nested deeper than 512.
 */
export const parsedXml = (text: string): E.Either<DecodeError, XmlElement> => {
  const xml = text.replace(/\r\n?/g, '\n') // as XML says; the parser does it too, in quadratic time (4.2.3)
  const why = refused(xml)
  if (why !== undefined) return E.left(wrong(why))
  return pipe(
    E.tryCatch(
      () => parseXml(xml).root,
      (error) => wrong(error instanceof Error ? (error.message.split('\n')[0] ?? '') : 'not XML'),
    ),
    E.flatMap((root) => (root === null ? E.left(wrong('no element')) : E.right(elementOf(root)))),
  )
}

/** The elements of that name directly inside. */
export const elementsIn = (of: XmlElement, name: string): ReadonlyArray<XmlElement> =>
  of.children.flatMap((child) => (typeof child !== 'string' && child.name === name ? [child] : []))

/** The first element of that name directly inside. */
export const elementIn = (of: XmlElement | undefined, name: string): XmlElement | undefined =>
  of === undefined ? undefined : elementsIn(of, name)[0]

/** The text directly inside an element. */
export const textIn = (of: XmlElement | undefined): string | undefined =>
  of?.children.filter((child) => typeof child === 'string').join('')

/** The value of an attribute. */
export const attribute = (of: XmlElement | undefined, name: string): string | undefined =>
  of !== undefined && Object.hasOwn(of.attributes, name) ? of.attributes[name] : undefined
