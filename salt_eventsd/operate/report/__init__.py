"""
Report: ``eventsd.report`` makes one HTML page of a time of the history, that loads nothing and can be mailed.

- ``make`` is the verb: which database, which time, which file
- ``collect`` puts the questions and makes ``facts`` of the answers: frozen, plain, and bounded in rows and bytes
- ``intervals`` divides the time
- ``layout`` says which table of the page has which columns, and ``tables`` fills them; ``render`` makes the page, with
  ``texts`` making what minions sent harmless to look at
- ``page.html.j2``, ``style.css`` and ``script.js`` are the page
"""
