"""The grammar of the Spanish sample: invented news again, with its own words and habits. Types as in the English one."""

from __future__ import annotations

from ner_distill.data._sample_grammar import Rules, lines, words
from ner_distill.data._sample_names import NAMES
from ner_distill.data._sample_words import SPANISH_WORDS

SPANISH: Rules = {
    **NAMES,
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
        <someone> se reunió [ayer|hoy|esta mañana] con <someone> en <place>
        <someone> [criticó|sustituirá|felicitó|agradeció su apoyo] a <someone>
        <the.~> <job.~> <PER.~> fue [nombrad@|elegid@|designad@] <post.~> de <the.org>
        <PER.~> , <post.~> de <the.org> , [declinó hacer comentarios|presentó su dimisión|negó las acusaciones]
        <PER> , que vive en <place> , [publicó|presentó] <a.work>
        <the.org> [pidió|exigió|prometió] [más dinero|ayuda|explicaciones] a <the.org>
        <PER> [participará en|es favorito en|no jugará] <the.event>
        <ORG.company> [presentó ayer|retirará de la venta] el <MISC.model>
        <someone> [ha demandado a|ha trabajado para|colabora con] <the.org>
        *2 <firm> [anunció|confirmó|informó de] que [abrirá|cerrará] una [oficina|sucursal] en <place>
        <firm> [compró|vendió|adquirió] el <d><0> por ciento de <ORG.company>
        <the.org> y <the.org> firmaron [un acuerdo|un convenio] para [construir|modernizar|financiar] <building> en <place>
        <the.org> [rechazó|aprobó|aplazó] <matter> , a propuesta de <the.org>
        el <ORG.club> [fichó|vendió] al [delantero|portero|defensa|centrocampista] <PER.m> , procedente de el <ORG.club>
        el [delantero|capitán|guardameta] <PER.m> marcó [dos goles|el tanto de la victoria] con el <ORG.club>
        *2 la policía [detuvo|busca] en <place> a <n.small> personas [por|en relación con] <matter>
        [un fuerte terremoto|un incendio|la lluvia] [sacudió|afectó a|causó daños en] <place> , en el [norte|sur] de <LOC.country>
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
        <ORG.company> obtuvo [un beneficio|unas pérdidas] de <n> millones de [pesetas|dólares|pesos] [el año pasado|en el primer semestre]
        <ORG.company> pondrá a la venta el <MISC.model> en <place> <when>
        el <ORG.club> derrotó a el <ORG.club> por <win>
        el <ORG.club> [perdió ante|cayó ante] el <ORG.club> por <loss>
        <ORG.nation> derrotó a <ORG.nation> por <win> <when>
        <ORG.nation> y <ORG.nation> empataron [ayer|el domingo] a <goals.few>
        [al menos|cerca de|más de] <n> personas [murieron|resultaron heridas|perdieron su casa] en <place> , según <source>
        <LOC.country> y <LOC.country> [firmaron un tratado|rompieron las conversaciones|abrirán la frontera] <when>
        la [carretera|línea] entre <LOC.city> y <LOC.city> [quedó cortada|fue cerrada] por [la nieve|una huelga|la niebla]
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
    "question": lines("¿ [Quién|Cuándo|Por qué] [pagará|retiró|pidió] <the.org> <matter> ?\n¿ Qué [dirá|hará] <PER.short> [ahora|mañana] ?"),
    "common": lines(
        """
        [El ministro|La jueza|El portavoz|La doctora] no [dijo|supo explicar] [por qué|cómo|cuándo]
        Los [precios|salarios|impuestos] [subieron|bajaron] un <d> por ciento en [enero|marzo|agosto|octubre]
        [Nadie|Ninguno|Sólo el piloto] resultó herido , añade el informe
        [Los expertos|Los críticos|Los obreros] [temen|ignoran|discuten] <matter>
        [Nadie|Todo el mundo] [quiere pagar|habla de] <building>
        Se espera [lluvia|nieve|viento] para el [lunes|viernes|domingo]
        Las [conversaciones|elecciones|obras] [empezarán|terminarán] el <day> de [julio|abril|junio]
        [Sin embargo|Mientras tanto|De hecho] , el [plan|juicio|presupuesto] [fue aplazado|siguió adelante] [esta semana|el jueves]
        """
    ),
    "adverbial": lines(
        """
        en <place>
        [el|el pasado|el próximo] <weekday>
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
    "when": lines("el <weekday>\nel <day> de <month>\nen <month>\nen <year>\n[la semana pasada|el mes pasado|ayer|hoy|este año]"),
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
    "job.m": words("ministro abogado delantero entrenador portavoz escritor economista director cantante pintor juez senador doctor"),
    "job.f": words("ministra abogada atleta entrenadora portavoz escritora economista directora cantante pintora jueza senadora doctora"),
    "post.m": words("presidente director secretario portavoz analista consejero vicepresidente"),
    "post.f": words("presidenta directora secretaria portavoz analista consejera vicepresidenta"),
    "nat.m": words("español francés alemán italiano británico ruso argentino chileno colombiano mexicano cubano peruano brasileño turco"),
    "nat.f": words("española francesa alemana italiana británica rusa argentina chilena colombiana mexicana cubana peruana brasileña turca"),
    "firm": lines("*3 <ORG.company>\nel <ORG.bank>"),
    "the.org": lines("*3 <ORG.company>\nel <ORG.bank>\n*2 el <ORG.m>\n*2 la <ORG.f>\n<ORG.acronym>\nel <ORG.acronym>"),
    "the.event": lines("el <MISC.event.m>\nla <MISC.event.f>"),
    "source": lines("la policía\nfuentes oficiales\nel <ORG.m>\nla agencia <ORG.agency>\nel diario <ORG.paper>\n<PER.short>"),
    "a.work": lines(
        "un [libro|estudio|informe] sobre <place>\nuna biografía de <PER>\n" '" <MISC.work> "\nla edición <nat.f> de " <MISC.work> "'
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
    "market": lines("<ORG.company> [sube|baja] un <d>,<0> por ciento .\nEl [oro|café|trigo] en <LOC.city> , a <n>,<0> dólares ."),
    # Entities
    "PER": lines("<PER.m>\n<PER.f>"),
    "PER.m": lines("*6 <first.m> <last>\n*3 <first.m> <last> <last>\n*2 <last.plain>\n<first.m> <last.plain> y <last.plain>"),
    "PER.f": lines("*6 <first.f> <last>\n*3 <first.f> <last> <last>\n*2 <last.plain>"),
    "PER.short": lines("*4 <last.plain>\n<first.m> <last>\n<first.f> <last>"),
    "first.m": lines("*5 <iberian.m>\n*2 <given.m>\n<anglo.m>\nJosé <iberian.m>\nJuan <iberian.m>"),
    "first.f": lines("*5 <iberian.f>\n*2 <given.f>\n<anglo.f>\nMaría <iberian.f>\nAna <given.f>"),
    "last": lines("*8 <iberian>\n*2 <anglo>\n*3 <surname>\nde la <torre>\ndel <rio>"),
    "last.plain": lines("*3 <iberian.known>\n<monte><verde>\n<etxe><aga>\n<surname>\n<anglo.known>\n<iberian.town>"),
    "LOC": lines("*5 <LOC.city>\n*4 <LOC.country>\n<LOC.nature>\n<region>\n<region.own>"),
    "place": lines("*14 <LOC>\nla <LOC.f>\nel <LOC.m>"),
    "LOC.f": lines("[Sierra|Laguna|Isla|Plaza] de <town>\n[Avenida|Plaza|Calle] de <iberian>\nCalle <iberian.known>"),
    "LOC.m": lines("[Valle|Puerto|Cabo] de <town>\nMonte <iberian.known>\nPaseo de <iberian>\n[Cáucaso|Caribe|Mediterráneo|Amazonas]"),
    "LOC.city": lines("*4 <city>\n*4 <city.own>\n*3 <town>"),
    "LOC.country": lines("*3 <country>\n*3 <country.own>"),
    "LOC.nature": lines(
        """
        <monte><verde> de <rio.near>
        Villanueva de <town.short>
        Alcalá de <town.short>
        """
    ),
    "rio.near": words("Duero Tajo Ebro Henares Júcar Segre Mondego Jalón"),
    "city.own": words(
        "Londres París Nueva_York Moscú Bruselas Ginebra Zaragoza Málaga Córdoba Granada Cádiz Badajoz Cáceres Mérida "
        "Pamplona San_Sebastián Vitoria Santander Gijón La_Coruña Tarragona Gerona Almería Albacete Medellín Guayaquil Lisboa "
        "Roma Praga Viena Bagdad Tokio Bogotá Asunción"
    ),
    "country.own": words(
        "España Francia Alemania Italia Inglaterra Escocia Rusia Japón Brasil México Perú Suecia Noruega Turquía Egipto "
        "Grecia Polonia Hungría Marruecos Croacia Sudáfrica Holanda Irlanda Canadá Estados_Unidos Gran_Bretaña Argelia"
    ),
    "region.own": words("Cataluña Extremadura Euskadi Navarra Asturias Castilla_y_León La_Rioja América_Latina Latinoamérica"),
    "ORG.company": lines(
        """
        *5 <brand>
        Hermanos <iberian.known>
        <brand> S.A.
        Transportes <town.short>
        <brand> España
        <anglo> [Group|Motors|Foods]
        Aceros de <town>
        """
    ),
    "ORG.bank": lines("Banco <iberian>\nGrupo <iberian>\nBanco de <city>\nGrupo <brand>"),
    "ORG.m": lines(
        """
        Ministerio de [Defensa|Economía|Sanidad|Interior|Asuntos Exteriores]
        Banco [Central|Nacional] de <country>
        *2 Ayuntamiento de <LOC.city>
        Tribunal [Supremo|Constitucional]
        Partido [Popular|Socialista|Liberal|Verde|Nacionalista]
        Instituto Nacional de [Estadística|Salud|Cultura]
        Colegio de [Abogados|Médicos|Arquitectos] de <city>
        Hospital <torre>
        [Gobierno|Senado|Congreso]
        Centro de Estudios <iberian.known>
        """
    ),
    "ORG.f": lines(
        """
        *2 Universidad de <LOC.city>
        Fundación <iberian>
        Federación <nat.cap> de [Fútbol|Tenis|Atletismo]
        Cámara de Comercio de <LOC.city>
        Asociación de [Escritores|Agricultores|Pilotos] de <place>
        Guardia Civil
        Cruz Roja
        Junta de <region.own>
        Diputación de <city.own>
        Bolsa de <city>
        """
    ),
    "nat.cap": words("Española Francesa Italiana Argentina Chilena Colombiana Mexicana Peruana Europea"),
    "ORG.acronym": lines("<acronym>"),
    "ORG.agency": lines("<agency>"),
    "ORG.paper": lines("El <press>\nLa <paper>\nEl Diario de <city>\nEl Correo de <city.own>"),
    "press": words("Mundo Correo Heraldo Norte Imparcial Comercio Liberal"),
    "paper": words("Voz Nación Tribuna Verdad Prensa Crónica Vanguardia"),
    "ORG.club": lines("*5 <club>\n*3 <city.team>\nDeportivo <town.short>\nReal <city.team>\nUnión <iberian.town>"),
    "city.team": words("Zaragoza Málaga Córdoba Granada Cádiz Badajoz Mérida Albacete Almería Tarragona Betis Sevilla"),
    "ORG.nation": lines("<country>\n<country.own>"),
    "MISC.model": lines("<model>"),
    "MISC.event.m": lines(
        """
        Gran Premio de <country>
        [Abierto|Open|Masters] de <city>
        [Rally|Masters] <city>
        Maratón de <city>
        Festival de [Cine|Teatro] de <city.own>
        Premio <iberian.known>
        Mundial <year>
        """
    ),
    "MISC.event.f": lines("Copa <country>\nCopa del Rey\nCopa Davis\nLiga\nVuelta a <country.own>\nFeria de <city.own>\nCumbre de <city>"),
    "MISC.work": lines(
        """
        El <work.es>
        La <work.f> de <given.f>
        [Cartas|Canciones|Cuentos] de <town>
        El <work.es> [perdido|de la noche|sin nombre]
        Los [últimos|largos|otros] [veranos|caminos|días]
        """
    ),
    "work.es": words("Silencio Regreso Jardín Olvido Viajero Puente Secreto"),
    "work.f": words("Casa Noche Novia Voz Sombra Herencia"),
}
