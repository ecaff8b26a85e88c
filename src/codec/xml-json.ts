import * as t from 'io-ts'

import type { XmlElement } from '../model/xml.js'
import { exact, isObject, list, shape, text } from './shape.js'
import { deepestElement } from './xml-document.js'

const isAttributes = (value: unknown): value is XmlElement['attributes'] =>
  isObject(value) && Object.values(value).every((one) => typeof one === 'string')

const attributes = shape('an object of strings', isAttributes)

const shallow = exact(
  { name: text, attributes, children: list(shape('anything', (_value): _value is unknown => true)) },
  {},
)

interface Task {
  readonly value: unknown
  readonly context: t.Context
  readonly depth: number
}

const notDeeper = shape(`elements nested at most ${deepestElement} deep`, (_value): _value is never => false)

/** What is wrong with an element, one list of work for all depths. */
const errorsOf = (root: unknown, context: t.Context): t.Errors => {
  const errors: t.Errors = []
  const tasks: Array<Task> = [{ value: root, context, depth: 1 }]
  for (const task of tasks) {
    if (task.depth > deepestElement) return [{ value: task.value, context: t.appendContext(context, '', notDeeper) }]
    const result = shallow.validate(task.value, task.context)
    if (result._tag === 'Left') {
      for (const error of result.left) errors.push(error)
      continue
    }
    const at = t.appendContext(task.context, 'children', shallow)
    for (const [index, value] of result.right.children.entries())
      if (typeof value !== 'string')
        tasks.push({ value, context: t.appendContext(at, String(index), shallow), depth: task.depth + 1 })
  }
  return errors
}

const isElement = (value: unknown): value is XmlElement => errorsOf(value, []).length === 0

/** An {@link XmlElement}; attributes are any strings, since plans carry what libvirt printed. */
export const xmlElement: t.Type<XmlElement, XmlElement, unknown> = new t.Type(
  'an XML element',
  isElement,
  (value, context) => {
    const errors = errorsOf(value, context)
    return errors.length === 0 && isElement(value) ? t.success(value) : t.failures(errors)
  },
  t.identity,
)
