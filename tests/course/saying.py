"""What cells of an executed notebook say, for tests of texts that lean on them."""


def said(cells):
    """All that cells say: source, printed text, tables."""
    texts = [cell.source for cell in cells]
    for output in (output for cell in cells for output in cell.get("outputs", [])):
        texts.append(output.get("text", ""))
        texts += [data for kind, data in output.get("data", {}).items() if kind.startswith("text/")]
    return "\n".join(texts)
