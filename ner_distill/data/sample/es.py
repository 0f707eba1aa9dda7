"""The grammar of the Spanish sample: invented news with its own habits. Types as in the English one."""

from __future__ import annotations

from ner_distill.data.sample.es_names import SPANISH_NAMES
from ner_distill.data.sample.grammar import Rules, lines, words
from ner_distill.data.sample.names import NAMES
from ner_distill.data.sample.words import SPANISH_WORDS

SPANISH: Rules = {
    **NAMES,
    **SPANISH_NAMES,
    **SPANISH_WORDS,
    "sentence": lines(
        """
        *8 <clause> .
        *5 <timed> .
        *4 <clause> <when> .
        *5 <adverbial> , <clause> .
        *4 <clause> <after> .
        *3 <clause> , [mientras que|pero|y] <timed> .
        *4 " <quote> " , [dijo|añadió|declaró|afirmó] <someone> <when> .
        *3 <someone> [dijo|aseguró|explicó|señaló] que <claim> .
        " <quote> " .
        *4 <LOC.city> , <day> <mes> ( <ORG.agency> ) . - <timed> .
        *2 <claim> .
        <question>
        *2 <common> .
        *2 <score>
        *2 <ranking>
        <market>
        """
    ),
    # Clauses
    "clause": lines(
        """
        *2 <someone> [viajará a|llegó a|visitó|abandonó|nació en|creció en] <place>
        <someone> se reunió [de nuevo|en secreto|a solas] con <someone> en <place>
        <someone> [criticó|sustituirá|felicitó|agradeció su apoyo] a <someone>
        <the.~> <job.~> <PER.~> fue [nombrad@|elegid@|designad@] <post.~> de <the.org>
        <PER.~> , <post.~> de <the.org> , [declinó hacer comentarios|presentó su dimisión|negó las acusaciones]
        <PER> , que vive en <place> , [publicó|presentó] <a.work>
        <the.org> [pidió|exigió|prometió] [más dinero|ayuda|explicaciones] a <the.org>
        <PER> [participará en|es favorito en|no jugará] <the.event>
        <ORG.company> [presentó|retirará de la venta] el <MISC.model>
        <someone> [ha demandado a|ha trabajado para|colabora con] <the.org>
        *2 <firm> [anunció|confirmó|informó de] que [abrirá|cerrará] una [oficina|sucursal] en <place>
        <firm> [compró|vendió|adquirió] el <d><0> por ciento de <ORG.company>
        <the.org> y <the.org> firmaron [un acuerdo|un convenio] para [construir|modernizar|financiar] \
            <building> en <place>
        <the.org> [rechazó|aprobó|aplazó] <matter> , a propuesta de <the.org>
        el <ORG.club> [fichó|vendió] al [delantero|portero|defensa|centrocampista] <PER.m> , procedente de el <ORG.club>
        el [delantero|capitán|guardameta] <PER.m> marcó [dos goles|el tanto de la victoria] con el <ORG.club>
        *2 la policía [detuvo|busca] en <place> a <n.small> personas [por|en relación con] <matter>
        [un fuerte terremoto|un incendio|la lluvia] [sacudió|afectó a|causó daños en] <place> \
            , en el [norte|sur] de <LOC.country>
        el [gobierno|ejército|parlamento] <nat.m> [rechazó|prepara|suspendió] <matter>
        <someone> [leyó|tradujo|dirigió] " <MISC.work> " , una [novela|película|obra] ambientada en <place>
        el embajador <nat.m> en <LOC.country> [rechazó|defendió] <matter>
        los [vecinos|pescadores|agricultores|trabajadores] de <place> protestaron por <matter> ante <the.org>
        """
    ),
    "timed": lines(
        """
        <the.~> <job.~> <PER.~> , de <age> años , fue detenid@ en <place> <when>
        <PER.~> venció a <PER.~> por <set> y <set> en [la final|las semifinales|la segunda ronda] de <the.event>
        <the.~> <nat.~> <PER.~> ganó [ayer|por primera vez] <the.event> , por delante de <PER.~>
        <ORG.company> obtuvo [un beneficio|unas pérdidas] de <n> millones de [pesetas|dólares|pesos] \
            [el año pasado|en el primer semestre]
        <ORG.company> pondrá a la venta el <MISC.model> en <place> <when>
        el <ORG.club> derrotó a el <ORG.club> por <win>
        el <ORG.club> [perdió ante|cayó ante] el <ORG.club> por <loss>
        <ORG.nation> derrotó a <ORG.nation> por <win> <when>
        <ORG.nation> y <ORG.nation> empataron [ayer|el domingo] a <goals.few>
        [al menos|cerca de|más de] <n> personas [murieron|resultaron heridas|perdieron su casa] en <place> , \
            según <source>
        <LOC.country> y <LOC.country> [firmaron un tratado|rompieron las conversaciones|abrirán la frontera] <when>
        la [carretera|línea] entre <LOC.city> y <LOC.city> [quedó cortada|fue cerrada] por \
            [la nieve|una huelga|la niebla]
        las acciones de <ORG.company> [subieron|bajaron] un <d>,<0> por ciento , hasta <n> [pesetas|euros]
        """
    ),
    "claim": lines(
        """
        la situación en <place> es [grave|mejor|difícil]
        no hay duda de que <PER.short> [mintió|tiene razón|ganará]
        <the.org> [debe|tiene que] [responder|pagar|actuar] antes de [mayo|junio|el lunes]
        no ha sido un [partido|año] fácil para <PER.short>
        <LOC.country> no [necesita|puede aceptar] <matter>
        nadie en <place> quería <building>
        la gente de <place> [merece|pidió] <building>
        los [votantes|inversores|exportadores] de <LOC.country> [están cansados|decidirán]
        este es el mejor [jugador|equipo] que ha tenido el <ORG.club>
        """
    ),
    "quote": lines(
        """
        *4 <claim>
        [queremos|necesitamos|esperamos] que <the.org> [pague|explique|retire] <matter>
        no conozco [bien|personalmente] a <PER.short>
        [jugaremos|entrenaremos|nos quedaremos] en <place> hasta <month>
        """
    ),
    "question": lines(
        """
        ¿ [Quién|Cuándo|Por qué] [pagará|retiró|pidió] <the.org> <matter> ?
        ¿ Qué [dirá|hará] <PER.short> [ahora|mañana] ?
        """
    ),
    "common": lines(
        """
        [El ministro|La jueza|El portavoz|La doctora] no [dijo|supo explicar] [por qué|cómo|cuándo]
        Los [precios|salarios|impuestos] [subieron|bajaron] un <d> por ciento en [enero|marzo|agosto|octubre]
        [Nadie|Ninguno|Sólo el piloto] resultó herido , añade el informe
        [Los expertos|Los críticos|Los obreros] [temen|ignoran|discuten] <matter>
        [Nadie|Todo el mundo] [quiere pagar|habla de] <building>
        Se espera [lluvia|nieve|viento] para el [lunes|viernes|domingo]
        Las [conversaciones|elecciones|obras] [empezarán|terminarán] el <day> de [julio|abril|junio]
        [Sin embargo|Mientras tanto|De hecho] , el [plan|juicio|presupuesto] [fue aplazado|siguió adelante] \
            [esta semana|el jueves]
        """
    ),
    "adverbial": lines(
        """
        en <place>
        [el|el pasado] <weekday>
        según <the.org>
        según <source>
        [además|sin embargo|mientras tanto|por otra parte]
        tras [una reunión|un encuentro] con <someone>
        durante <the.event>
        *2 en <the.event>
        en <year>
        *2 <adverb>
        """
    ),
    "when": lines(
        """
        el <weekday>
        el <day> de <month>
        en <month>
        en <year>
        [la semana pasada|el mes pasado|ayer|hoy|este año]
        """
    ),
    "after": lines(
        """
        tras [hablar|reunirse] con <someone>
        [a pesar de|a causa de] <matter>
        en [un congreso|un acto|una ceremonia] en <place>
        , según [informó|confirmó] <the.org>
        , [informaron|indicaron] fuentes de <the.org>
        , con motivo de <the.event>
        """
    ),
    "weekday": words("lunes martes miércoles jueves viernes sábado domingo"),
    "month": words("enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre"),
    "mes": words("ene feb mar abr may jun jul ago sep oct nov dic"),
    # Noun phrases
    "someone": lines(
        """
        *5 <PER>
        *2 <PER.short>
        *5 <the.~> <job.~> <PER.~>
        *2 <the.~> <job.~> <nat.~> <PER.~>
        *2 <the.~> <post.~> de <the.org> , <PER.~> ,
        <PER.~> , <post.~> de <the.org> ,
        el alcalde de <LOC.city> , <PER.m> ,
        <the.~> <job.~> <nat.~>
        """
    ),
    "the.m": ("el",),
    "the.f": ("la",),
    "job.m": words(
        "ministro abogado delantero entrenador portavoz escritor economista director cantante pintor juez senador "
        "doctor"
    ),
    "job.f": words(
        "ministra abogada atleta entrenadora portavoz escritora economista directora cantante pintora jueza "
        "senadora doctora"
    ),
    "post.m": words("presidente director secretario portavoz analista consejero vicepresidente"),
    "post.f": words("presidenta directora secretaria portavoz analista consejera vicepresidenta"),
    "nat.m": words(
        "español francés alemán italiano británico ruso argentino chileno colombiano mexicano cubano peruano "
        "brasileño turco"
    ),
    "nat.f": words(
        "española francesa alemana italiana británica rusa argentina chilena colombiana mexicana cubana peruana "
        "brasileña turca"
    ),
    "firm": lines("*3 <ORG.company>\nel <ORG.bank>"),
    "the.org": lines("*3 <ORG.company>\nel <ORG.bank>\n*2 el <ORG.m>\n*2 la <ORG.f>\n<ORG.acronym>\nel <ORG.acronym>"),
    "the.event": lines("el <MISC.event.m>\nla <MISC.event.f>"),
    "source": lines(
        """
        la policía
        fuentes oficiales
        el <ORG.m>
        la agencia <ORG.agency>
        el diario <ORG.paper>
        <PER.short>
        """
    ),
    "a.work": lines(
        """
        un [libro|estudio|informe] sobre <place>
        una biografía de <PER>
        " <MISC.work> "
        la edición <nat.f> de " <MISC.work> "
        """
    ),
    # Lists
    "score": lines(
        """
        <ORG.club> <goals.few> , <ORG.club> <goals> .
        <ORG.nation> <goals.few> , <ORG.nation> <goals> .
        <ORG.club> - <ORG.club> , <draw> .
        <d> . <PER> ( <LOC.country> ) , <d>:<tens><0>.<0> .
        <PER.~> ( <LOC.country> ) , a <PER.~> ( <LOC.country> ) , <set> y <set> .
        """
    ),
    "ranking": lines(
        """
        Goleadores : <PER.short> , <d><0> ; <PER.short> , <d><0> ; <PER.short> , <d><0> .
        [Grupo A|Clasificación] : <ORG.club> , <d><0> puntos ; <ORG.club> , <d><0> ; <ORG.club> , <d> .
        [Oficinas|Sucursales|Rutas] : <LOC.city> , <LOC.city> , <LOC.city> y <LOC.city> .
        Alineación : <PER.short> , <PER.short> , <PER.short> y <PER.short> ( <LOC.country> ) .
        """
    ),
    "market": lines(
        """
        <ORG.company> [sube|baja] un <d>,<0> por ciento .
        El [oro|café|trigo] en <LOC.city> , a <n>,<0> dólares .
        """
    ),
}
