// Prints what AWS's own language service finds in a definition, and which of its expressions the reference engine of
// JSONata cannot parse, as a JSON array of texts.
//
//     node tests/second_opinion/language_service.js FOLDER_OF_NODE_MODULES < DEFINITION

const { createRequire } = require("node:module");
const { readFileSync } = require("node:fs");

const packages = createRequire(`${process.argv[2]}/package.json`);
const { getLanguageService } = packages("amazon-states-language-service");
const { TextDocument } = packages("vscode-languageserver-textdocument");
const jsonata = packages("jsonata");

function* expressions(value) {
  if (typeof value === "string") {
    const match = value.match(/^\{%([^]*)%\}$/);
    if (match) yield match[1];
  } else if (value && typeof value === "object") {
    for (const member of Object.values(value)) yield* expressions(member);
  }
}

async function main() {
  const text = readFileSync(0, "utf-8");
  const document = TextDocument.create("file:///definition.asl.json", "asl", 1, text);
  const service = getLanguageService({ schemaRequestService: () => Promise.reject(new Error("offline")) });
  const settings = { validate: true, allowComments: false };
  const found = await service.doValidation(document, service.parseJSONDocument(document), settings);
  const problems = found.map((one) => `line ${one.range.start.line + 1}: ${one.message}`);
  for (const expression of expressions(JSON.parse(text))) {
    try {
      jsonata(expression);
    } catch (error) {
      problems.push(`${expression.trim()}: ${error.message}`);
    }
  }
  console.log(JSON.stringify(problems));
}

main();
